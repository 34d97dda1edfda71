// Package guard is a policy decision point (PDP): it answers whether a
// principal may take an action.
//
// A [Decider] decides. [Local] decides in this process by the Goal-Guard rules;
// [*aureus.Client] asks a server that decides by the same rules. Both implement
// Decider. [Check] asks a Decider and returns nil only for an allow:
//
//	if err := guard.Check(ctx, decider, request); err != nil {
//		return err
//	}
//
// # Decisions
//
// A decision is allow, deny or require_approval. An action of low or medium risk
// is allowed if the action permits the request's tool and the principal holds
// every permission that the action requires. An action of high or critical risk
// also needs a person's approval. [Local] requests the approval through
// [Approvals]; if that field is nil, it denies the action. An approval is bound
// to the [Digest] of the request: once a person has approved it, the same
// unchanged request is allowed once, and no other request is.
// docs/spec/policy.md describes the rules, the reason codes and the life of an
// approval.
//
// # Fail closed
//
// The zero Decision is a denial. A nil decider, an error, a timeout, a
// cancelled context, a panic, an unknown effect and an approval for another
// request never lead to an allow. A refusal matches [ErrDenied] or
// [ErrApprovalRequired], and a failure to decide matches [ErrUndecided]. A
// [Refusal] holds the decision.
//
// # Trust
//
// Local takes the risk tier and the permissions from the request and marks the
// decision as claimed (Decision.Claimed). Fill in both from your own
// definitions, never from data that the agent sent.
package guard
