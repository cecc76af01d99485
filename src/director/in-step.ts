// SPDX-License-Identifier: Apache-2.0
/**
 * What is configured, what the dataplane does, and what the host routes, kept in step, one change after the other.
 *
 * Order matters twice. At the start the snapshot is published before any route exists, so the first packet finds its
 * service. On a change the dataplane goes first and the host second: a host that refuses is answered by publishing the
 * old configuration again, and no packet ever meets a route to a service that is not there yet.
 */
import { said } from '../errors.js';
import type { Dataplane } from '../dataplane/dataplane.js';
import type { Hear } from '../host/index.js';
import type { Model } from '../model/index.js';
import type { Caretaker } from './caretaker.js';
import type { Defender } from './defence.js';
import type { Change } from './diff.js';
import type { HostPlumbing } from './director-parts.js';
import type { Events } from './events.js';
import type { Reconciler } from './reconciler.js';
import { WayChooser, type LookAtWays } from './ways.js';

export class InStep {
  readonly #dataplane: Dataplane;
  readonly #caretaker: Caretaker;
  readonly #reconciler: Reconciler;
  readonly #defender: Defender;
  readonly #events: Events;
  #host: HostPlumbing | undefined;
  #ways: WayChooser | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(dataplane: Dataplane, caretaker: Caretaker, defender: Defender, events: Events) {
    this.#dataplane = dataplane;
    this.#caretaker = caretaker;
    this.#reconciler = caretaker.reconciler;
    this.#defender = defender;
    this.#events = events;
  }

  /** From now on the host follows each change. */
  lead(host: HostPlumbing): void {
    this.#host = host;
  }

  /** Has packets come and leave by the ways that suit the host, now and whenever that changes. */
  async chooseWays(look: LookAtWays, hear?: Hear): Promise<void> {
    const chooser = new WayChooser(this.#dataplane, this.#reconciler.model.tun, look, (text) => {
      this.#events.record({ kind: 'device', text });
    });
    this.#ways = chooser;
    await chooser.choose();
    chooser.watch(hear);
  }

  /** undefined where there is no device. */
  get ways(): Pick<WayChooser, 'egress' | 'ingress'> | undefined {
    return this.#ways;
  }

  /** What is wrong with the host's routes and rules, or null. */
  hostTrouble(): string | null {
    return this.#host?.trouble() ?? null;
  }

  /** Makes what `make` makes of the running model run, when its turn has come. */
  change(make: (running: Model) => Model): Promise<readonly Change[]> {
    const result = this.#turn.then(() => this.#apply(make(this.#reconciler.model)));
    this.#turn = result.catch(() => undefined); // the caller has the failure; the next one must still get its turn
    return result;
  }

  async #apply(wanted: Model): Promise<readonly Change[]> {
    const before = this.#reconciler.model;
    const changes = await this.#caretaker.apply(wanted);
    try {
      // Also when nothing changed: whoever reloads may do so because the host no longer is as it should be.
      await this.#host?.update(this.#routed());
    } catch (error) {
      await this.#caretaker.apply(before);
      await this.#caretaker.attend();
      throw error;
    }
    await this.#caretaker.attend();
    this.#defender.configure(this.#reconciler.model.ipvs.sysctls);
    await this.#ways?.choose();
    return changes;
  }

  /** What the host is to lead packets here for: also services that have left and still have connections. */
  #routed(): Model {
    const { departed, model } = this.#reconciler;
    return departed.length === 0 ? model : { ...model, services: [...model.services, ...departed] };
  }

  /** Services that had left have lost their last connection: the host need not lead packets here for them any more. */
  tellHost(): void {
    const told = this.#turn.then(() => this.#host?.update(this.#routed()));
    this.#turn = told.catch((error: unknown) => {
      const text = said(error);
      this.#events.record({ kind: 'host', text: `what services that have left needed stays: ${text}` });
    });
  }

  /** Gives the host back as it was, then ends the dataplane, after the changes that are under way. Idempotent. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing;
    this.#ways?.close();
    this.#closing = this.#turn.then(async () => {
      try {
        await this.#caretaker.close();
        await this.#host?.close(); // routes first: while they stand, packets must still be moved
      } finally {
        this.#dataplane.close();
      }
    });
    this.#turn = this.#closing.catch(() => undefined);
    return this.#closing;
  }
}
