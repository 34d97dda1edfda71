// Package crvgate is an admission gate (CRV, Circuit Reasoning Validation): it
// validates a state change before it is committed, and refuses the change if it does
// not pass.
//
// A [Validator] judges a [Change]; it is a plain function. A [Gate] runs a list of
// validators, and [Wrap] puts the gate before the function that makes the change:
//
//	apply := crvgate.Wrap(crvgate.New("ledger", noOverdraft, sameCurrency), ledger.Apply)
//	err := apply(ctx, transfer)
//
//	func noOverdraft(ctx context.Context, change crvgate.Change[Transfer]) aureus.ValidationResult {
//		if change.Data.Amount > change.Data.Balance {
//			return crvgate.Fail(aureus.OutOfScope, "the account would be overdrawn")
//		}
//		return crvgate.Pass()
//	}
//
// The error for a change that was refused is a [*Blocked]. It has the results of all
// validators, each failure with a code and a remediation.
//
// # When a change is admitted
//
// The wrapped function is called only if the gate passed, or if the gate is
// [Gate.NonBlocking] and could judge the change. The zero Gate, a nil Gate and a Gate
// without validators refuse every change.
//
// Every validator runs, and every result is kept. A validator that panics counts as a
// failure. If the gate requires a confidence, a result without one does not reach it.
//
// A change could not be judged if the context ended, the previous state could not be
// loaded, or the gate has no validators. A non-blocking gate refuses such a change too.
// The error then matches [ErrUndecided]; the error for a change with a fault does not.
//
// A gate judges the state that it receives. If that state can change between the
// judgement and the commit, hold a lock or a transaction during both.
//
// # Related packages
//
// Package [github.com/farmountain/aureus-go/crvgate/validators] has ready-made
// validators that receive a change as JSON, for [Gate.With]. Package
// [github.com/farmountain/aureus-go/crvgate/registry] creates validators from
// configurations, as a control plane does, and package
// [github.com/farmountain/aureus-go/crvgate/rules] adds configurations in CEL and JSON
// Schema. [docs/spec/gates.md] has the rules of a gate in full.
//
// [docs/spec/gates.md]: https://github.com/farmountain/aureus-go/blob/main/docs/spec/gates.md
package crvgate
