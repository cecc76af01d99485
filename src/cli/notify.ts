// SPDX-License-Identifier: Apache-2.0
/**
 * Telling systemd how we are (sd_notify(3)): one datagram to the socket it names in the environment. Node has no unix
 * datagrams, so the addon sends it. Without a service manager all of this does nothing.
 */
export interface Notifier {
  ready(): void;
  reloading(): void;
  stopping(): void;
}

export type SendDatagram = (path: string, text: string) => void;

export function createNotifier(
  path: string | undefined,
  send: SendDatagram | undefined,
  onFailure: (error: unknown) => void,
  monotonicMicroseconds: () => bigint = () => process.hrtime.bigint() / 1000n,
): Notifier {
  const tell = (text: string): void => {
    if (path === undefined || path === '' || send === undefined) return;
    try {
      send(path, text);
    } catch (error) {
      onFailure(error); // a service manager that does not listen is no reason to stop serving
    }
  };
  return {
    ready: () => tell('READY=1'),
    reloading: () => tell(`RELOADING=1\nMONOTONIC_USEC=${monotonicMicroseconds()}`),
    stopping: () => tell('STOPPING=1'),
  };
}
