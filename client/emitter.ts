/**
 * A minimal event emitter, because Node's is not in browsers and EventTarget makes an object per
 * event. Unlike Node's, an `error` event without a listener does nothing: every command that
 * suffers from it is rejected anyway.
 */
export class Emitter<Events extends Record<string, unknown>> {
  readonly #listeners = new Map<keyof Events, Set<(detail: never) => void>>();

  /** Calls `listener` at each `event`; the function returned stops that. */
  on<Name extends keyof Events>(event: Name, listener: (detail: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof Events>(event: Name, detail: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        (listener as (detail: Events[Name]) => void)(detail);
      } catch (error) {
        // The listener's fault must be seen, but must not stop the client half-way through a change
        // of state.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
