// Flattener: keeps chains of files short and gives the space of layers back that nobody names, slowly and with the least priority (docs/images.md, "Short
// chains by themselves").
#pragma once

#include "app/background.hpp"
#include "images/store.hpp"

namespace rootstock::app {

class Flattener {
  public:
    Flattener(images::Store& store, Log& log, const Clock& clock);

  private:
    Background background_; // ends what is under way, which leaves nothing
};

} // namespace rootstock::app
