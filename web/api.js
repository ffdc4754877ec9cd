// The server's API (docs/api.md): requests, the event stream, imports with their progress.

export class ApiError extends Error {
  constructor(status, error) {
    super(error.message || `the server answered ${status}`);
    this.status = status;
    this.code = error.code || '';
    this.remedy = error.remedy || '';
    this.problems = error.problems || [];
  }
}

const unreachable = () => new ApiError(0, { code: 'unreachable', message: 'the server does not answer', remedy: 'is it running? this page tries again by itself' });

async function failure(response) {
  const body = await response.json().catch(() => ({}));
  return new ApiError(response.status, body.error || {});
}

async function send(method, path, body, signal) {
  const options = { method, signal, headers: { Accept: 'application/json' } };
  if (method !== 'GET' && method !== 'DELETE') {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body || {});
  }
  let response;
  try {
    response = await fetch(`/api/v1/${path}`, options);
  } catch (error) {
    throw error.name === 'AbortError' ? error : unreachable();
  }
  if (!response.ok) throw await failure(response);
  return response;
}

async function call(method, path, body) {
  const response = await send(method, path, body);
  return response.status === 204 ? null : response.json();
}

export const get = (path) => call('GET', path);
export const post = (path, body) => call('POST', path, body);
export const patch = (path, body) => call('PATCH', path, body);
export const remove = (path) => call('DELETE', path);

/** Imports an image; `progress` is called with {done_bytes, total_bytes, stored_bytes}. Aborting `signal` cancels the import. */
export const importImage = (name, source, progress, signal) => job('images', { name, source }, 'image', progress, signal);
/** What the machine in maintenance wrote becomes the next version; `preview`: only shows it. */
export const publish = (name, preview) => job(`images/${name}/publish`, { dry_run: preview }, 'publication', () => {});

/** A version's boot blocks are loaded into memory and stay there. */
export const warm = (name, version) => job(`images/${name}/warm`, { version }, 'warm', () => {});

/** A request that is answered with lines of progress; the last one has the result as its member `key`. */
async function job(path, body, key, progress, signal) {
  const response = await send('POST', path, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new ApiError(0, { message: 'the connection broke before the image was done', remedy: 'look at the list of images, then try again' });
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const told = JSON.parse(line);
      if (told.progress) progress(told.progress);
      if (told.error) throw new ApiError(500, told.error);
      if (told[key]) return told[key];
    }
  }
}

const eventNames = ['snapshot', 'machine', 'machine_removed', 'unknown', 'unknown_removed', 'boot', 'session', 'session_removed', 'images', 'volumes', 'log', 'status'];

/** Calls `on(name, data)` for every event and `state(true or false)` when the stream opens and breaks. It connects again by itself. */
export function follow(on, state) {
  let source;
  const connect = () => {
    source = new EventSource('/api/v1/events');
    source.onopen = () => state(true);
    source.onerror = () => {
      state(false);
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
    for (const name of eventNames) source.addEventListener(name, (event) => on(name, JSON.parse(event.data)));
  };
  connect();
}
