package guard_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// A request may name only those volatile values that Local.Volatile permits, at
// every risk tier.
func TestLocal_Volatile_IsLimitedByTheOperator(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		allowed, asked []string
		ok             bool
	}{
		"nothing asked":        {nil, nil, true},
		"nothing allowed":      {nil, []string{"/arguments/attempt"}, false},
		"allowed":              {[]string{"/arguments/attempt"}, []string{"/arguments/attempt"}, true},
		"below an allowed one": {[]string{"/arguments/retry"}, []string{"/arguments/retry/count", "/arguments/retry"}, true},
		"metadata":             {[]string{"/metadata/retry"}, []string{"/metadata/retry"}, true},
		"the amount":           {[]string{"/arguments/attempt"}, []string{"/arguments/attempt", "/arguments/amount"}, false},
		"the same prefix":      {[]string{"/arguments/at"}, []string{"/arguments/attempt"}, false},
		"above an allowed one": {[]string{"/arguments/retry/count"}, []string{"/arguments/retry"}, false},
		"other case":           {[]string{"/arguments/attempt"}, []string{"/arguments/Attempt"}, false},
		"the whole arguments":  {[]string{"/arguments", "/arguments/", "", "/"}, []string{"/arguments/amount"}, false},
		"all metadata":         {[]string{"/metadata"}, []string{"/metadata/retry"}, false},
		"too many":             {[]string{"/arguments/l"}, make([]string, 101), false},
	} {
		for _, tier := range []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierHigh} {
			for i := range row.asked {
				if row.asked[i] == "" {
					row.asked[i] = "/arguments/l/0"
				}
			}
			request := aureus.Request{
				Principal: aureus.Principal{ID: "agent-7", Type: "agent"}, Action: aureus.Action{ID: "pay", Name: "Pay", RiskTier: tier},
				Arguments: map[string]any{"amount": 1}, Volatile: row.asked,
			}
			decision, err := (&guard.Local{Volatile: row.allowed}).Decide(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, row.ok, decision.ReasonCode != aureus.ReasonInvalidRequest, "%s %s: %s", name, tier, decision.Reason)
			if !row.ok {
				require.Equal(t, aureus.Deny, decision.Effect)
				require.Contains(t, decision.Reason, "/volatile")
			}
		}
	}
}
