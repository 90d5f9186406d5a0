/* Requests to the service. What goes wrong becomes a Failure, whose message is a sentence for the reader. */

const TIMEOUT_MS = 20_000;
const KEY = "loopback-api-key";

export class Failure extends Error {
  /** passing: the same request may succeed later. wantsKey: the service asks for an API key. wait: seconds, or null. */
  constructor(sentence, { passing = false, wantsKey = false, wait = null, status = 0 } = {}) {
    super(sentence);
    Object.assign(this, { passing, wantsKey, wait, status });
  }
}

export function get(path, parameters = {}, signal = null) {
  const query = new URLSearchParams(parameters).toString();
  return send(query ? `${path}?${query}` : path, {}, signal);
}

export function post(path, body, signal = null) {
  return send(
    path,
    { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) },
    signal,
  );
}

/** The key is kept until the tab is closed. */
export function keepKey(key) {
  sessionStorage.setItem(KEY, key);
}

async function send(path, options, signal) {
  const key = storedKey();
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    abort();
  }, TIMEOUT_MS);
  try {
    const headers = { Accept: "application/json", ...options.headers, ...(key && { "X-API-Key": key }) };
    const answer = await fetch(new URL(path, document.baseURI), { ...options, headers, signal: stop.signal });
    if (!answer.ok) throw await failureOf(answer, key);
    return await answer.json();
  } catch (error) {
    if (error instanceof Failure || (error.name === "AbortError" && !timedOut)) throw error;
    if (error instanceof SyntaxError) throw new Failure("The server sent something that is not an answer of loopback.");
    throw new Failure(unreachable(timedOut), { passing: true });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

function storedKey() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // the browser forbids storage
  }
}

function unreachable(timedOut) {
  if (!navigator.onLine) return "You are offline.";
  return timedOut ? "The server takes too long to answer." : "The server does not answer; it may be restarting.";
}

async function failureOf(answer, key) {
  const problem = await answer.json().catch(() => ({}));
  const detail = [problem.detail, problem.title].find((text) => typeof text === "string" && text !== "");
  const status = answer.status;
  if (status === 401 || status === 403) {
    return new Failure(key ? "The server does not accept this API key." : "This server asks for an API key.", {
      wantsKey: true,
      status,
    });
  }
  const seconds = Number(answer.headers.get("Retry-After"));
  return new Failure(detail ?? `The server answered with an error (${status}).`, {
    passing: [429, 502, 503, 504].includes(status),
    wait: seconds > 0 ? seconds : null,
    status,
  });
}
