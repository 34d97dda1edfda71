package reported_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/reported"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestRecent_DecisionTime_IsLimited(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		decided time.Time
		message string
	}{
		"now":                        {noon, ""},
		"the maximum age":            {noon.Add(-7 * 24 * time.Hour), ""},
		"older":                      {noon.Add(-7*24*time.Hour - time.Millisecond), "within 7 days"},
		"the maximum in the future":  {noon.Add(5 * time.Minute), ""},
		"further ahead":              {noon.Add(5*time.Minute + time.Millisecond), "in the future"},
		"the end of the id's range":  {time.UnixMilli(1<<48 - 1), "in the future"},
		"the beginning of the range": {time.UnixMilli(1), "within 7 days"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problem := reported.Recent(aureus.NewDecisionID(row.decided), noon)
			if row.message == "" {
				require.Empty(t, problem)
				return
			}
			require.Contains(t, problem, "/decision_id")
			require.Contains(t, problem, row.message)
		})
	}
}

// Each known reason code is accepted with the effects that package guard uses it
// for, and with no other.
func TestConsistent_ReasonCode_MustFitTheEffect(t *testing.T) {
	t.Parallel()
	allow, deny, ask := "allow", "deny", "require_approval"
	rows := map[aureus.ReasonCode][]string{
		aureus.ReasonLowRisk: {allow}, aureus.ReasonMediumRisk: {allow}, aureus.ReasonMCP: {allow}, aureus.ReasonMCPWithCRV: {allow}, aureus.ReasonApproved: {allow},
		aureus.ReasonHighRisk: {ask}, aureus.ReasonCriticalRisk: {ask}, aureus.ReasonApprovalPending: {ask},
		aureus.ReasonToolNotAllowed: {deny}, aureus.ReasonToolRequired: {deny}, aureus.ReasonPermissionDenied: {deny}, aureus.ReasonInvalidRequest: {deny},
		aureus.ReasonNoApprovals: {deny}, aureus.ReasonTooManyPending: {deny},
		aureus.ReasonApprovalRejected: {deny, ask}, aureus.ReasonApprovalExpired: {deny, ask}, aureus.ReasonApprovalConsumed: {deny, ask},
		aureus.ReasonApprovalMismatch: {deny, ask}, aureus.ReasonApprovalUnknown: {deny, ask}, aureus.ReasonApprovalPolicyChanged: {deny, ask},
		"HOUSE_RULE_7": {allow, deny, ask}, "": {allow, deny, ask},
	}
	for code, effects := range rows {
		for _, effect := range []string{allow, deny, ask} {
			problem := reported.Consistent(aureus.DecisionRecord{Effect: effect, ReasonCode: code, ApprovalID: "apr", ActionDigest: aureus.Digest{1}})
			if slices.Contains(effects, effect) {
				require.Empty(t, problem, "%s with %s", effect, code)
			} else {
				require.Contains(t, problem, "/reason_code", "%s with %s", effect, code)
			}
		}
	}
	require.Contains(t, reported.Consistent(aureus.DecisionRecord{Effect: "permit"}), "/effect")
	for _, code := range []aureus.ReasonCode{"approved", "Permission_Denied"} { // a reader would confuse them with the known codes
		require.Contains(t, reported.Consistent(aureus.DecisionRecord{Effect: allow, ReasonCode: code}), "capital letters", code)
	}
}

func TestConsistent_ReasonCode_MustFitTheTier(t *testing.T) {
	t.Parallel()
	for code, tiers := range map[aureus.ReasonCode]map[aureus.PolicyRiskTier]bool{
		aureus.ReasonLowRisk:      {"": true, "low": true, "medium": false, "high": false, "critical": false},
		aureus.ReasonMediumRisk:   {"": true, "low": false, "medium": true, "high": false, "critical": false},
		aureus.ReasonMCP:          {"": true, "low": true, "medium": true, "high": false, "critical": false},
		aureus.ReasonMCPWithCRV:   {"": true, "low": true, "medium": true, "high": false, "critical": false},
		aureus.ReasonApproved:     {"": true, "low": true, "medium": true, "high": true, "critical": true},
		aureus.ReasonHighRisk:     {"": true, "low": false, "medium": false, "high": true, "critical": false},
		aureus.ReasonCriticalRisk: {"": true, "low": false, "medium": false, "high": false, "critical": true},
	} {
		effect := "allow"
		if code == aureus.ReasonHighRisk || code == aureus.ReasonCriticalRisk {
			effect = "require_approval"
		}
		for tier, fine := range tiers {
			problem := reported.Consistent(aureus.DecisionRecord{Effect: effect, ReasonCode: code, RiskTier: tier, ApprovalID: "apr", ActionDigest: aureus.Digest{1}})
			require.Equal(t, fine, problem == "", "%s on %q: %s", code, tier, problem)
		}
	}
}

func TestConsistent_Approval_NeedsIDAndDigest(t *testing.T) {
	t.Parallel()
	approved := aureus.DecisionRecord{Effect: "allow", ReasonCode: aureus.ReasonApproved, ApprovalID: "apr", ActionDigest: aureus.Digest{1}}
	require.Empty(t, reported.Consistent(approved))
	without := approved
	without.ApprovalID = ""
	require.Contains(t, reported.Consistent(without), "/approval_id")
	without = approved
	without.ActionDigest = aureus.Digest{}
	require.Contains(t, reported.Consistent(without), "/action_digest")
	without.Effect, without.ReasonCode = "deny", aureus.ReasonApprovalPolicyChanged
	require.Empty(t, reported.Consistent(without), "a denial computes no digest")
}

func TestFits_OtherRequest_NamesTheDifference(t *testing.T) {
	t.Parallel()
	approval := aureus.Approval{Principal: aureus.Principal{ID: "agent"}, OnBehalfOf: "owner", Action: aureus.Action{ID: "transfer"}, ActionDigest: aureus.Digest{1}}
	record := aureus.DecisionRecord{Principal: "agent", OnBehalfOf: "owner", Action: "transfer", ActionDigest: aureus.Digest{1}, Effect: "allow"}
	require.Empty(t, reported.Fits(record, approval, true))
	require.Contains(t, reported.Fits(record, approval, false), "was not used by this decision")
	for field, change := range map[string]func(*aureus.DecisionRecord){
		"principal":     func(r *aureus.DecisionRecord) { r.Principal = "other" },
		"on_behalf_of":  func(r *aureus.DecisionRecord) { r.OnBehalfOf = "" },
		"action":        func(r *aureus.DecisionRecord) { r.Action = "other" },
		"action_digest": func(r *aureus.DecisionRecord) { r.ActionDigest = aureus.Digest{2} },
	} {
		other := record
		change(&other)
		require.Contains(t, reported.Fits(other, approval, true), field)
	}
	record.Effect = "require_approval"
	require.Empty(t, reported.Fits(record, approval, false), "a pending decision has not used its approval")
}
