// Package aureus is the typed client of the Aureus API, and defines the types that the
// other packages of this module share.
//
// A [Client] has the methods of the published Aureus Python SDK, under the same names in
// Go spelling: workflows, validation of commits (CRV, Circuit Reasoning Validation),
// policy and observability. It also has methods for what the control plane of this
// module adds: approvals, the audit log, batches and queries. A control plane on this
// machine needs no configuration:
//
//	client, err := aureus.NewClient("")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//
// A decision is made about a [Request]: may this [Principal] take this [Action]? The
// [Decision] has an [Effect]: carry out the request only after [Allow]. [Client.Decide]
// makes a Client a policy decision point (PDP) for package guard and package
// middleware, which enforce decisions.
//
// # Similar types
//
// Some concepts have more than one type: that of the published API, and those for Go
// programs or for storage.
//
//	Request            what a decider decides about. Use this one.
//	PolicyContext      the same in the form of the published API, for EvaluatePolicy.
//	                   Request.Context and PolicyContext.Request convert.
//
//	Decision           what a decider returns, with a typed Effect. Use this one.
//	GuardDecision      the same in the form of the published API, from EvaluatePolicy.
//	DecisionRecord     the part that a local decider sends to the audit log; Decision.Record makes it.
//	DecisionInput      a value that a policy bundle read, in the records of deciders that record it.
//	DecisionDetails    what the audit log contains about one decision; Client.Decision returns it.
//
//	Outcome            what became of a decided request, to be reported.
//	DecisionOutcome    the same in DecisionDetails, with who reported it and when.
//
//	AuditRecord        an entry of the control plane's audit log; Client.Audit lists them.
//	AuditEntry         an entry that clients of the published API send in a PolicyContext.
//
//	Approval           the whole approval: the request, the verdicts, the state.
//	ApprovalRef        its id, state and times, in a Decision; Approval.Ref makes it.
//	ApprovalDecision   the verdict of one person, in an Approval.
//	ApprovalAsk        the request of a local decider to open an approval.
//	ApprovalTicket     the response to an ApprovalAsk.
//	ApprovalUse        the request of a local decider to use an approval.
//	PendingApproval    the approval that a task of a workflow waits for.
//
//	GateResult         what a gate found, with the result of each validator.
//	GateRecord         the part that the audit log keeps; GateResult.Record makes it.
//
//	PolicyRiskTier     the risk of an action: low, medium, high, critical.
//	RiskTier           the risk of a workflow's task: LOW, MEDIUM, HIGH, CRITICAL.
//
// A local decider is a guard.Local, which decides in the process and uses the control
// plane for approvals and for the audit log.
//
// # Failing closed
//
// The client reads responses strictly. Duplicate names, names in another case, unknown
// words, missing fields, trailing data, another content type, a redirect, and fields that
// contradict each other are errors that match [ErrMalformed]. With an error there is no
// decision: methods return the zero value, which denies. The zero value of every type
// that can allow something does not allow it.
//
// # Words
//
// Fields with a fixed set of words have a string type of their own, such as [Intent] or
// [TaskType], whose documentation lists the words. Where there is no constant, write the
// word: Type: "action". The server refuses other words with an error that lists the valid ones.
//
// # Free-form values
//
// Fields of the types any and map[string]any take every value that has a JSON form. In a
// response they have the types nil, bool, string, encoding/json.Number, []any and
// map[string]any. A json.Number keeps all digits, also of numbers beyond 2^53. In other
// fields null means the same as an absent member.
package aureus
