package guard

import "github.com/farmountain/aureus-go/aureus"

// sentences are the reasons, for people, of the codes that tell of approvals.
var sentences = map[aureus.ReasonCode]string{
	aureus.ReasonApproved:              "a person approved it",
	aureus.ReasonNoApprovals:           "a person has to approve it first, and there is nobody to ask: this guard has no Approvals",
	aureus.ReasonTooManyPending:        "a person has to approve it first, and too many approvals of this principal are pending already",
	aureus.ReasonApprovalPending:       "the approval is pending: nobody has decided yet",
	aureus.ReasonApprovalRejected:      "a person rejected it",
	aureus.ReasonApprovalExpired:       "the approval has expired, and a person has to approve it again",
	aureus.ReasonApprovalConsumed:      "the approval has been used, and a person has to approve it again",
	aureus.ReasonApprovalMismatch:      "the approval is for something else, and a person has to approve this first",
	aureus.ReasonApprovalUnknown:       "there is no such approval, and a person has to approve it first",
	aureus.ReasonApprovalPolicyChanged: "the rules have changed since the approval, and a person has to approve it again",
}

func deny(d aureus.Decision, code aureus.ReasonCode) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason = aureus.Deny, code, sentences[code]
	return d
}

// invalidRequest is the answer to what an approval could not be bound to.
func invalidRequest(d aureus.Decision, err error) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason, d.Rule = aureus.Deny, aureus.ReasonInvalidRequest, err.Error(), ruleRequest
	return d
}

func require(d aureus.Decision, code aureus.ReasonCode) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason = aureus.RequireApproval, code, sentences[code]
	return d
}

// pending is the answer while nobody has decided. Why a presented ticket did
// not count comes first; the approval that this request opened keeps the code
// of the rule that asked for it.
func pending(d aureus.Decision, ticket aureus.ApprovalTicket) aureus.Decision {
	switch {
	case aureus.ApprovalError(ticket.Hint) != nil:
		return require(d, ticket.Hint)
	case ticket.Joined:
		return require(d, aureus.ReasonApprovalPending)
	}
	return d
}

// undecided keeps of a decision whom and what it was about, for the record.
func undecided(d aureus.Decision) aureus.Decision {
	d.Effect, d.ReasonCode, d.Reason, d.Approval, d.Metadata = aureus.Deny, "", "", aureus.ApprovalRef{}, nil
	return d
}
