/** What membership tells its owner. */
import type { Address } from '../ports.js';
import type { Member } from './member.js';

export type MembershipEvent =
  /** A new name, or a new life of one that was dead, had left or was replaced by it. */
  | { readonly type: 'joined'; readonly member: Member }
  /** It says something else of itself: `meta`. */
  | { readonly type: 'updated'; readonly member: Member }
  | { readonly type: 'suspected'; readonly member: Member; readonly by: string }
  /** It was suspect, or dead, and denied it. */
  | { readonly type: 'alive'; readonly member: Member; readonly was: 'suspect' | 'dead' | 'left' }
  | { readonly type: 'dead'; readonly member: Member; readonly by: string }
  | { readonly type: 'left'; readonly member: Member }
  /** Others took this node for what it is not, and it denies that. */
  | {
      readonly type: 'denied';
      readonly was: 'suspect' | 'dead' | 'left';
      /** The name of who said so; undefined: not known. */
      readonly by: string | undefined;
    }
  /**
   * Two living processes have one name. The later one counts; `isSelf`: that is another one, and
   * this node is no member until the other is gone.
   */
  | {
      readonly type: 'conflict';
      readonly member: Member;
      readonly isSelf: boolean;
      readonly text: string;
    }
  /** This process did nothing for so long; what has come meanwhile, it has not read yet. */
  | { readonly type: 'stalled'; readonly gapMs: number }
  /** Something is wrong, and was dealt with: a message without sense, a long stall. */
  | { readonly type: 'warning'; readonly text: string; readonly from?: Address };
