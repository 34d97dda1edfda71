// Package crvgate is an admission gate (CRV): it validates a state change
// before it is committed, and keeps it from happening unless it passes.
//
// A [Validator] judges a [Change]; a plain function is one. A [Gate] runs a list
// of them, and [Wrap] puts it before the function that makes the change:
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
// The error of a change that was not admitted is a [*Blocked]: it holds the
// whole result, with a class of failure and a remediation for each finding.
//
// # A gate means it
//
// The wrapped function is not called unless the gate passed, or warned and was
// made [Gate.NonBlocking] by name. The zero Gate, a nil one and one without
// validators refuse. Every validator runs, one that panics is a failure like
// any other, and every finding is kept. Where confidence is required, a result
// without any has not reached it. A change that could not be judged at all,
// because the context ended or the previous state could not be loaded, is
// refused by non-blocking gates too, and matches [ErrUndecided].
//
// A gate judges what it is shown. Where the state may change between the
// judgement and the commit, hold a lock or a transaction around both.
//
// # Rules over JSON
//
// The validators of the published system that need no rule language are here as
// Go values ([NotNull], [Schema], [Monotonic], [MaxSize], [StatisticalBounds],
// [AnomalyDetection], [CrossFieldConsistency], [TemporalMonotonic], the memory
// rules, [SchemaCheck], [BalancePositive]) with the codes, confidences and
// metadata of SPEC 4.3. They see the change as free-form JSON: [Gate.With] adds
// them to a gate of any type. Numbers compare exactly, integers beyond 2^53
// included; sizes count as JavaScript counts them.
//
// A [Registry] knows validators by the names that the wire uses, makes them of
// configurations, and is the wire's gate ([Registry.Validate]). A control plane
// and a service that embeds this package decide by the same code.
package crvgate
