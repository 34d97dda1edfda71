package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

func (s *Service) approvalRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "approvals/{id}", Handler: s.approval},
		{Pattern: "POST " + Root + "approvals/{id}", Handler: s.decide},
	}
}

// approvalData is the data of the page approval.
type approvalData struct {
	aureus.Approval

	Arguments, Metadata factList
	Call                []fact   // the HTTP call
	Body                factList // of the HTTP call
	MayChange           []fact   // values that the digest does not cover
	Needs               []string // the permissions that the action requires
	EffectClass         string
	Ends                ending
	Missing             int      // how many people must still approve
	RuleLine            string   // the link to the rule in the bundle in force; empty if it is not there
	Hidden              []string // JSON pointers of values that are hidden
	MoreHidden          int
	HiddenCut           bool // further values are hidden that have no pointer here

	Closed  string // why this session may not decide; empty if it may
	Comment string // that was entered, if it was refused
	Problem string // why the verdict was not stored
}

// approval answers GET approvals/{id}.
func (s *Service) approval(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.showApproval(w, r, c, http.StatusOK, approvalData{})
}

func (s *Service) showApproval(w http.ResponseWriter, r *http.Request, c web.Caller, status int, data approvalData) error {
	found, err := s.Approvals.Read(r, c, r.PathValue("id"))
	if e, ok := errors.AsType[*web.Error](err); ok && e.Status() == http.StatusNotFound {
		return web.Problem(http.StatusNotFound, e.Code(), "there is no approval with this id in this tenant",
			web.WithRemediation("It may have ended long ago and been deleted. The audit log still says what became of it."))
	}
	if err != nil {
		return err
	}
	data.Approval, data.Ends, data.Missing = found, endingOf(found.ExpiresAt, s.Now()), max(0, found.Quorum.Needed-found.Quorum.Have)
	if err := s.addFacts(r, &data); err != nil {
		return err
	}
	data.EffectClass, _ = found.Action.Metadata["effect_class"].(string)
	data.Needs = requireTexts(found.Action.RequiredPermissions)
	if data.RuleLine, err = s.ruleLink(r, c, found.Rule); err != nil {
		return err
	}
	if data.Closed = closedTo(c, found); data.Closed == "" && data.isCut() && found.Status == aureus.ApprovalPending {
		data.Closed = tooLargeText
	}
	return s.show(w, r, status, "approval", view{Title: "Approval of " + found.Action.ID, Section: "approvals", Caller: c, Data: data})
}

const tooLargeText = "The request is too large to be shown here in whole, so it cannot be decided here. Read and decide it through the API, or with aureus approvals."

// isCut reports whether a part of the request is not shown.
func (data *approvalData) isCut() bool {
	return data.Arguments.Cut || data.Metadata.Cut || data.Body.Cut
}

// isShown reports whether the page shows the whole approval.
func (s *Service) isShown(r *http.Request, c web.Caller) (bool, error) {
	found, err := s.Approvals.Read(r, c, r.PathValue("id"))
	if err != nil {
		return false, err
	}
	data := approvalData{Approval: found}
	err = s.addFacts(r, &data)
	return !data.isCut(), err
}

// closedTo says why the session's operator may not decide about the approval, as far as
// that is known before; empty if it may be possible.
func closedTo(c web.Caller, a aureus.Approval) string {
	actor := c.Actor()
	switch {
	case a.Status != aureus.ApprovalPending:
		return ""
	case actor.Is(a.RequestedBy) || actor.Is(a.RequestedByKey):
		return "You asked for this approval yourself, so somebody else has to decide."
	case actor.Is(a.Principal.ID):
		return "You are the principal of this request, so somebody else has to decide."
	case actor.Is(a.OnBehalfOf):
		return "The request is made on your behalf, so somebody else has to decide."
	case len(a.Roles) > 0 && !slices.ContainsFunc(a.Roles, func(role string) bool { return c.Role.AtLeast(web.Role(role)) }):
		return "Your key has the role " + string(c.Role) + ", and only the role " + strings.Join(a.Roles, " or ") + " may decide about this request."
	}
	if slices.ContainsFunc(a.Decisions, func(d aureus.ApprovalDecision) bool { return actor.Is(d.By) }) {
		return "You have approved already. Each person counts once: " + people(max(0, a.Quorum.Needed-a.Quorum.Have)) + " must approve."
	}
	return ""
}

// people returns a number of other people in words.
func people(n int) string {
	if n == 1 {
		return "one more person"
	}
	return strconv.Itoa(n) + " more people"
}

// ruleLink returns the link to a rule in the bundle in force; empty if it has none.
func (s *Service) ruleLink(r *http.Request, c web.Caller, rule string) (string, error) {
	current, err := s.Rules.For(r.Context(), c.Tenant)
	if errors.Is(err, storage.ErrUnavailable) {
		return "", err
	}
	if err != nil || current.Bundle() == nil { // without a bundle that can be used there is no line
		return "", nil //nolint:nilerr // the link is left out
	}
	line := current.Bundle().Line(rule)
	if line == 0 {
		return "", nil
	}
	return Root + "versions/" + strconv.FormatInt(current.Bundle().Version(), 10) + "?line=" + strconv.Itoa(line) + "#L" + strconv.Itoa(line), nil
}

// decide answers POST approvals/{id} with the verdict of the session's operator. If it is
// refused, the page shows the approval as it is now, what was entered, and why.
func (s *Service) decide(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	fields, err := s.readSessionForm(w, r, "digest", "verdict", "comment")
	if err != nil {
		return err
	}
	verdict := storage.NewVerdict{Approve: fields["verdict"] == "approve", Comment: strings.TrimSpace(fields["comment"])}
	if !verdict.Approve && fields["verdict"] != "reject" || verdict.Digest.UnmarshalText([]byte(fields["digest"])) != nil || verdict.Digest.IsZero() {
		return badForm("it names no verdict, or no digest of what was shown")
	}
	shown, err := s.isShown(r, c)
	if err != nil {
		return err
	}
	if !shown {
		return s.showApproval(w, r, c, http.StatusConflict, approvalData{Comment: fields["comment"], Problem: tooLargeText})
	}
	after, err := s.Approvals.Decide(r.Context(), c, r.PathValue("id"), verdict)
	if err == nil {
		return s.done(w, r, Root+"approvals/"+after.ID, doneText(verdict.Approve, after))
	}
	e := web.ErrorOf(err)
	switch e.Status() {
	case http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity:
		return s.showApproval(w, r, c, e.Status(), approvalData{Comment: fields["comment"], Problem: refusedText(e)})
	}
	return err
}

// doneText says what a verdict has done.
func doneText(approve bool, a aureus.Approval) string {
	missing := max(0, a.Quorum.Needed-a.Quorum.Have)
	switch {
	case !approve:
		return "You rejected it. The same request is refused until the rejection expires."
	case a.Status == aureus.ApprovalPending:
		return "You approved it. It still waits: " + people(missing) + " must approve."
	}
	return "You approved it. It may be used once."
}

// refusedText says in plain words why a verdict was not stored.
func refusedText(e *web.Error) string {
	switch e.Code() {
	case wire.CodeSelfApproval:
		return "You have asked for this approval yourself, are its principal, or the request is made on your behalf. Somebody else has to decide."
	case wire.CodeConflict:
		return "It no longer waits for you: it was decided or expired in the meantime, or you have approved it before. Below is how it stands now."
	case string(aureus.ReasonApprovalMismatch):
		return "What the form showed is not what this approval is for. Read below what it is for, and decide again."
	case wire.CodeForbidden:
		return "Your key has no role that may decide about this request. Somebody with one of its roles has to decide."
	}
	text, _ := strings.CutPrefix(e.Message(), "/comment: ")
	if text != e.Message() {
		text = "the comment " + text
	}
	return text + ". " + e.Remediation()
}
