package approvals

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// pendingRetryAfter is the Retry-After for a principal that has too many pending
// approvals. It is long because people must decide some of them first.
const pendingRetryAfter = time.Minute

// responseError converts an error about an approval into the error of the response.
// Other errors, and nil, are returned unchanged.
func responseError(err error) error {
	conflict := func(code aureus.ReasonCode) error {
		return web.Problem(http.StatusConflict, string(code), code.Err().Error())
	}
	switch {
	case errors.Is(err, aureus.ReasonApprovalUnknown.Err()):
		return web.Problem(http.StatusNotFound, string(aureus.ReasonApprovalUnknown), "approval not found, or this key may not see it")
	case errors.Is(err, aureus.ReasonTooManyPending.Err()):
		return web.Problem(http.StatusTooManyRequests, string(aureus.ReasonTooManyPending),
			err.Error(), web.WithRemediation("Wait until some are decided or expire."), web.WithRetryAfter(pendingRetryAfter))
	case errors.Is(err, storage.ErrRequester):
		return web.Problem(http.StatusForbidden, wire.CodeSelfApproval, "this subject must not decide the approval: it requested it, is its principal, or is the one on whose behalf the principal acts",
			web.WithRemediation("Let another operator decide."))
	case errors.Is(err, storage.ErrRole):
		return web.Problem(http.StatusForbidden, wire.CodeForbidden, "this key has no role that may decide the approval",
			web.WithRemediation("Let somebody decide whose key has one of the roles of the approval."))
	case errors.Is(err, storage.ErrDigest):
		return web.Problem(http.StatusConflict, string(aureus.ReasonApprovalMismatch), "action_digest is not the digest of this approval",
			web.WithRemediation("Read the approval again and decide on what it shows."))
	case errors.Is(err, storage.ErrDecisionUsed):
		return web.Problem(http.StatusConflict, wire.CodeConflict, "this decision has already consumed another approval",
			web.WithRemediation("Make a new decision for each use of an approval."))
	case errors.Is(err, storage.ErrDecisionOfOther):
		return web.Problem(http.StatusForbidden, wire.CodeForbidden, "decision_id names a decision of another subject",
			web.WithRemediation("Name the decision that this approval is for."))
	case errors.Is(err, storage.ErrConflict):
		return web.Problem(http.StatusConflict, wire.CodeConflict, "the approval is no longer pending, or this person has approved it before")
	}
	for _, code := range []aureus.ReasonCode{
		aureus.ReasonApprovalPending, aureus.ReasonApprovalRejected, aureus.ReasonApprovalExpired, aureus.ReasonApprovalConsumed,
		aureus.ReasonApprovalMismatch, aureus.ReasonApprovalPolicyChanged,
	} {
		if errors.Is(err, code.Err()) {
			return conflict(code)
		}
	}
	return err
}
