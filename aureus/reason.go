package aureus

// ReasonCode is the reason of a decision as one word, which does not change between
// versions. Other servers, and deciders with rules of their own, may use other codes. See
// docs/spec/policy.md#reason-codes.
type ReasonCode string

// The reason codes of the policy.
const (
	ReasonLowRisk          ReasonCode = "LOW_RISK_ALLOWED"
	ReasonMediumRisk       ReasonCode = "MEDIUM_RISK_ALLOWED_WITH_MONITORING"
	ReasonMCP              ReasonCode = "MCP_ALLOWED"
	ReasonMCPWithCRV       ReasonCode = "MCP_ALLOWED_CRV_REQUIRED"
	ReasonApproved         ReasonCode = "APPROVED"
	ReasonHighRisk         ReasonCode = "HIGH_NEEDS_HUMAN_APPROVAL"
	ReasonCriticalRisk     ReasonCode = "CRITICAL_NEEDS_HUMAN_APPROVAL"
	ReasonToolNotAllowed   ReasonCode = "TOOL_NOT_ALLOWED"
	ReasonToolRequired     ReasonCode = "TOOL_REQUIRED"
	ReasonPermissionDenied ReasonCode = "PERMISSION_DENIED"
	ReasonInvalidRequest   ReasonCode = "INVALID_REQUEST"
	ReasonNoApprovals      ReasonCode = "APPROVALS_NOT_AVAILABLE" // a person has to approve, and no approval can be opened
)

// The reason codes of policy bundles, besides those above.
const (
	ReasonStopped           ReasonCode = "STOPPED"             // a stop holds for the principal, the action or everything
	ReasonActionUnknown     ReasonCode = "ACTION_UNKNOWN"      // the bundle does not list the action
	ReasonRuleDenied        ReasonCode = "RULE_DENIED"         // a rule with the effect deny
	ReasonConditionError    ReasonCode = "CONDITION_ERROR"     // the condition of a rule could not be evaluated
	ReasonBudgetExceeded    ReasonCode = "BUDGET_EXCEEDED"     // a budget is used up; see Decision.RetryAfter
	ReasonRuleNeedsApproval ReasonCode = "RULE_NEEDS_APPROVAL" // a rule with the effect require_approval
	ReasonTierNeedsApproval ReasonCode = "TIER_NEEDS_APPROVAL" // the bundle asks a person for low or medium risk too
	ReasonTierDenied        ReasonCode = "TIER_DENIED"         // the bundle denies the action's risk tier
	ReasonTierAllowed       ReasonCode = "TIER_ALLOWED"        // the bundle allows high or critical risk without a person
	ReasonOpenAction        ReasonCode = "OPEN_ACTION"         // the bundle says that nobody has to be asked
	ReasonLastKnownAllow    ReasonCode = "LAST_KNOWN_ALLOW"    // the control plane did not answer, and the bundle permits the last known allow of low risk
)

// The reason codes that say why an approval does not allow a request. For these
// [ReasonCode.Err] returns an error.
const (
	ReasonApprovalPending       ReasonCode = "APPROVAL_PENDING"        // nobody has decided yet
	ReasonApprovalRejected      ReasonCode = "APPROVAL_REJECTED"       // a person rejected the request
	ReasonApprovalExpired       ReasonCode = "APPROVAL_EXPIRED"        // its time ended before it was used
	ReasonApprovalConsumed      ReasonCode = "APPROVAL_CONSUMED"       // another decision used it
	ReasonApprovalMismatch      ReasonCode = "APPROVAL_MISMATCH"       // it is for another request, or for other values in it
	ReasonApprovalUnknown       ReasonCode = "APPROVAL_UNKNOWN"        // there is no approval with that id, or the key may not use it
	ReasonApprovalPolicyChanged ReasonCode = "APPROVAL_POLICY_CHANGED" // the policy that required it has changed since
	ReasonTooManyPending        ReasonCode = "TOO_MANY_PENDING_APPROVALS"
)

// approvalError is the error of a reason code about an approval. Errors with the same code
// are equal.
type approvalError ReasonCode

var approvalTexts = map[ReasonCode]string{
	ReasonApprovalPending:       "the approval is pending",
	ReasonApprovalRejected:      "the approval was rejected",
	ReasonApprovalExpired:       "the approval has expired",
	ReasonApprovalConsumed:      "the approval has been used",
	ReasonApprovalMismatch:      "the approval is for another request",
	ReasonApprovalUnknown:       "the approval was not found",
	ReasonApprovalPolicyChanged: "the policy that required the approval has changed",
	ReasonTooManyPending:        "too many approvals are pending",
}

// Error says what is wrong with the approval.
func (e approvalError) Error() string { return approvalTexts[ReasonCode(e)] }

// Err returns the error of a code that says why an approval does not allow a request; nil
// for any other code. Compare it with errors.Is:
//
//	if errors.Is(err, aureus.ReasonApprovalRejected.Err()) {
//
// Errors of the server with that code match it, and so do the errors of package guard.
func (c ReasonCode) Err() error {
	if approvalTexts[c] == "" {
		return nil
	}
	return approvalError(c)
}
