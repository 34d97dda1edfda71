// Package policy decides requests by a policy bundle: one document, in YAML or JSON, that
// says who may take which action, how risky the action is, and what must never happen.
//
// [Parse] compiles the text of a bundle into a [Bundle]. An [Engine] decides by a bundle
// in this process, and is a [guard.Decider]:
//
//	bundle, err := policy.ReadFile("ledger.yaml")
//	if err != nil {
//		return err // lists every problem, with line and column
//	}
//	engine, err := policy.New(bundle, policy.Config{Approvals: client})
//	if err != nil {
//		return err
//	}
//	protect := middleware.EnforceRoutes(engine, identify, engine)
//
// # What allows
//
// Only a grant of a role allows. Everything else in a bundle, such as rules, budgets, tiers
// and stops, can only make the decision stricter. An action, a principal, a tool or a route
// that the bundle does not know is refused. The risk tier and the permissions that a
// request claims are ignored: those of the bundle apply, and Decision.Claimed is false.
//
// All parts of the bundle are evaluated, so that Decision.Matched lists everything that
// speaks against the request. The strictest one decides.
//
// # What does not allow
//
// A condition that cannot be evaluated, because an argument is missing for example, denies
// if it belongs to a rule or a budget, does not count if it belongs to a grant, and selects
// the strictest tier if it belongs to tier_when. A bundle that is older than its max_age, a
// zero Engine and a context that is done give an error, never an allow.
package policy
