package approval

import (
	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
)

// CheckClaimed returns an error for a valid request that can be decided only by a
// policy bundle, because it has no action id or no risk tier.
func CheckClaimed(request *aureus.Request) error {
	switch {
	case request.Action.ID == "":
		return &invalidrequest.Error{Pointer: "/action/id", Reason: "is required: the id of the action"}
	case request.Action.RiskTier == "":
		return &invalidrequest.Error{Pointer: "/action/risk_tier", Reason: "is required, unless a policy bundle decides: low, medium, high or critical"}
	}
	return nil
}
