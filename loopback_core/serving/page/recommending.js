/* Asks the service for the list of a state. The newest question counts: older ones are dropped. */

import { post } from "./api.js";

const FIRST_WAIT_S = 2;
const LONGEST_WAIT_S = 30;

/** The body of POST /v1/recommendations. listens: of a file; what was named counts as played after them, in its order. */
export function requestOf(state, listens) {
  const liked = state.liked.map(({ artist, track }) => (track === null ? { artist } : { artist, track }));
  const hidden = state.hidden.map((entry) => entry.id).filter((id) => id !== null);
  return {
    history: [...listens, ...liked],
    task: state.task,
    k: state.k,
    ...(state.familiarity !== null && { familiarity: state.familiarity }),
    ...(hidden.length > 0 && { exclude: { tracks: hidden } }),
  };
}

/** asked(): a question is on its way. answered(answer). failed(error, seconds until the next try, or null). */
export class Recommending {
  constructor(callbacks) {
    this.callbacks = callbacks;
    this.stop();
    addEventListener("online", () => this.timer && this.again());
  }

  /** make(signal): a promise of the body; it is called again for each try. */
  ask(make) {
    this.make = make;
    this.tries = 0;
    return this.again();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.asking?.abort();
    this.asking = null;
  }

  async again() {
    this.stop();
    const asking = (this.asking = new AbortController());
    this.callbacks.asked();
    try {
      const body = await this.make(asking.signal);
      const answer = await post("v1/recommendations", body, asking.signal);
      if (asking === this.asking) this.callbacks.answered(answer);
    } catch (error) {
      if (asking !== this.asking || error.name === "AbortError") return;
      const wait = error.passing ? (error.wait ?? Math.min(FIRST_WAIT_S * 2 ** this.tries, LONGEST_WAIT_S)) : null;
      this.tries += 1;
      if (wait !== null) this.timer = setTimeout(() => this.again(), wait * 1000);
      this.callbacks.failed(error, wait);
    }
  }
}
