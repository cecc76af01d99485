// SPDX-License-Identifier: Apache-2.0
/** Why a custom scheduler made no plan: a sentence for people, and one of a few words for machines to count by. */
import { VsnatError } from '../errors.js';

/** What each word means; docs/schedulers.md explains them. */
export const planFailureReasons = {
  threw: 'plan() threw',
  invalid: 'what it returned is no plan for these servers, or it remembers too much',
  timeout: 'plan() did not return in time, and its thread was ended',
  ended: 'its thread had ended before',
} as const;

/** Why a custom scheduler made no plan. */
export type PlanFailureReason = keyof typeof planFailureReasons;

export const planFailureReasonNames = Object.keys(planFailureReasons) as readonly PlanFailureReason[];

/** Plans that failed, by why. */
export type PlanFailures = Readonly<Record<PlanFailureReason, number>>;

export const noPlanFailures: PlanFailures = { threw: 0, invalid: 0, timeout: 0, ended: 0 };

export class PlanFailure extends VsnatError {
  override readonly name = 'PlanFailure';
  readonly reason: PlanFailureReason;

  constructor(reason: PlanFailureReason, message: string) {
    super('VSNAT_CONFIG_INVALID', message);
    this.reason = reason;
  }
}

/** Whatever a scheduler throws itself is `threw`. */
export const planFailureReason = (error: unknown): PlanFailureReason =>
  error instanceof PlanFailure ? error.reason : 'threw';
