package aureus

// ReasonCode says in one stable word why a decision came out as it did. Decisions
// of other servers and of deciders with rules of their own may have other codes.
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

// The reason codes that say why an approval does not allow a request. Each has an
// error: see [ReasonCode.Err].
const (
	ReasonApprovalPending       ReasonCode = "APPROVAL_PENDING"        // nobody has decided yet
	ReasonApprovalRejected      ReasonCode = "APPROVAL_REJECTED"       // a person rejected the request
	ReasonApprovalExpired       ReasonCode = "APPROVAL_EXPIRED"        // its time ended before it was used
	ReasonApprovalConsumed      ReasonCode = "APPROVAL_CONSUMED"       // another decision used it
	ReasonApprovalMismatch      ReasonCode = "APPROVAL_MISMATCH"       // it is for another request, or for other values of it
	ReasonApprovalUnknown       ReasonCode = "APPROVAL_UNKNOWN"        // there is none with that id that this key may use
	ReasonApprovalPolicyChanged ReasonCode = "APPROVAL_POLICY_CHANGED" // the policy that required it has changed since
	ReasonTooManyPending        ReasonCode = "TOO_MANY_PENDING_APPROVALS"
)

// approvalError is the error of a reason code about an approval. Two errors of
// the same code are equal.
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

// Err is the error for a code that says why an approval does not allow a request,
// to return and to compare with [errors.Is]. It is nil for every other code.
// Errors of the server with such a code match it and [ErrConflict].
func (c ReasonCode) Err() error {
	if approvalTexts[c] == "" {
		return nil
	}
	return approvalError(c)
}
