// Package guard is a policy decision point (PDP): it answers whether a
// principal may take an action.
//
// A [Decider] decides. [Local] decides in this process by the Goal-Guard rules,
// [*aureus.Client] asks a server that decides by the same rules, and both can
// stand wherever a Decider is asked for. [Check] asks one and returns nil only
// for an allow:
//
//	if err := guard.Check(ctx, decider, request); err != nil {
//		return err
//	}
//
// # Three answers
//
// An action of low or medium risk is allowed when its tool is among those the
// action allows and the principal holds what the action requires. One of high
// or critical risk needs a person's approval besides. [Local] asks for it
// through [Approvals]; without one it denies what needs a person. An approval
// is bound to the [Digest] of the request, so that the same unchanged request
// passes once after a person approved it, and nothing else does.
//
// # Nothing passes by accident
//
// The zero Decision is a denial. A nil decider, an error, a timeout, a
// cancelled context, a panic, an unknown word, an approval that does not fit:
// none of them is an allow. Refusals match [ErrDenied] or [ErrApprovalRequired],
// failures to decide match [ErrUndecided], and [Refusal] tells the rest.
//
// # What a local decision is worth
//
// Tier and permissions are what the caller of Decide claims (Decision.Claimed).
// Whoever builds the request answers for them: take both from your own
// definitions, never from the agent that asks.
package guard
