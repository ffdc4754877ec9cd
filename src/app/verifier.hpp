// Verifier: reads every master once in a while and compares it with its digest, slowly and with the least priority (docs/images.md, "Guard").
#pragma once

#include "app/background.hpp"
#include "images/store.hpp"

namespace rootstock::app {

class Verifier {
  public:
    /// `period`: how long a verification is good for.
    Verifier(images::Store& store, std::chrono::seconds period, Log& log, const Clock& clock);

  private:
    Background background_; // ends the one under way
};

} // namespace rootstock::app
