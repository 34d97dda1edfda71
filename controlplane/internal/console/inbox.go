package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Approvals reads and decides approvals.
type Approvals interface {
	// Search returns approvals of the tenant without the values that are only in their
	// documents. more reports whether others follow.
	Search(ctx context.Context, tenant string, search storage.ApprovalSearch) (rows []storage.ApprovalRow, more bool, err error)
	// Read returns the whole approval, or an error response.
	Read(r *http.Request, c web.Caller, id string) (aureus.Approval, error)
	// Decide stores the caller's verdict on an approval, and returns the approval as it
	// was after that. A refusal is an error response.
	Decide(ctx context.Context, c web.Caller, id string, verdict storage.NewVerdict) (aureus.Approval, error)
}

const inboxPage = 50 // approvals on one page

func (s *Service) inboxRoutes() []web.Route {
	return []web.Route{{Pattern: "GET " + Root + "{$}", Query: parameters("show", "status", "principal", "action", "by", "after"), Handler: s.inbox}}
}

// inboxData is the data of the page inbox.
type inboxData struct {
	Decided bool // the approvals that no longer wait, in place of those that do
	Rows    []inboxRow
	Pager   pager

	// What the list is filtered by, as it was entered.
	Status, Principal, Action, By string
	Filtered                      bool
	Statuses                      []string // that an approval may have which no longer waits
}

// inboxRow is an approval in the list.
type inboxRow struct {
	aureus.Approval

	EffectClass string // of the action in the bundle in force
	Ends        ending
	Verdicts    string // who has decided so far
}

// ending is the time until which somebody may decide about an approval, or use it.
type ending struct {
	At   time.Time
	Left string // how long that is from now, in words
	Soon bool
}

// soon is the time left below which an approval is marked as urgent.
const soon = 15 * time.Minute

func endingOf(at aureus.Timestamp, now time.Time) ending {
	t, _ := at.Time()
	left := t.Sub(now)
	if t.IsZero() || left <= 0 {
		return ending{At: t}
	}
	return ending{At: t, Left: leftText(left), Soon: left < soon}
}

// leftText returns a duration in the words of the script: its largest two units.
func leftText(left time.Duration) string {
	minutes := int(left / time.Minute)
	switch {
	case minutes < 1:
		return "less than a minute"
	case minutes < 60:
		return strconv.Itoa(minutes) + " min"
	case minutes < 24*60:
		return strconv.Itoa(minutes/60) + " h " + strconv.Itoa(minutes%60) + " min"
	}
	return strconv.Itoa(minutes/(24*60)) + " d " + strconv.Itoa(minutes/60%24) + " h"
}

// inbox answers GET /console/ with the approvals that wait, or with those that do not.
func (s *Service) inbox(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	data := inboxData{
		Status: queryText(r, "status"), Principal: queryText(r, "principal"), Action: queryText(r, "action"), By: queryText(r, "by"),
		Statuses: slices.DeleteFunc(aureus.ApprovalPending.Words(), func(word string) bool { return word == string(aureus.ApprovalPending) }),
	}
	switch show := queryText(r, "show"); show {
	case "", "waiting":
	case "decided":
		data.Decided = true
	default:
		return web.BadQuery("show", "must be waiting or decided")
	}
	if data.Status != "" && (!data.Decided || !slices.Contains(data.Statuses, data.Status)) {
		return web.BadQuery("status", "must be one of "+strings.Join(data.Statuses, ", ")+", and show must be decided")
	}
	after, err := numberIn(r, "after")
	if err != nil {
		return err
	}
	rows, more, err := s.Approvals.Search(r.Context(), c.Tenant, storage.ApprovalSearch{
		Waiting: !data.Decided, Status: aureus.ApprovalStatus(data.Status), Principal: data.Principal, Action: data.Action, Subject: data.By,
		After: after, Limit: inboxPage,
	})
	if err != nil {
		return err
	}
	classes := s.effectClasses(r, c, rows)
	for _, row := range rows {
		data.Rows = append(data.Rows, inboxRow{
			Approval: row.Approval, EffectClass: classes[row.Action.ID], Ends: endingOf(row.ExpiresAt, s.Now()), Verdicts: verdictsText(row.Decisions),
		})
	}
	data.Filtered = data.Status+data.Principal+data.Action+data.By != ""
	data.Pager = inboxPager(r, rows, more, after, data.Decided)
	return s.show(w, r, http.StatusOK, "inbox", view{Title: "Approvals", Section: "approvals", Caller: c, Data: data})
}

func inboxPager(r *http.Request, rows []storage.ApprovalRow, more bool, after int64, decided bool) (p pager) {
	query := r.URL.Query()
	link := func(after int64) string {
		next := url.Values{}
		for name, values := range query {
			if name != "after" && values[0] != "" {
				next[name] = values[:1]
			}
		}
		if after > 0 {
			next.Set("after", strconv.FormatInt(after, 10))
		}
		return "?" + next.Encode()
	}
	p.BeforeName, p.NextName = "From the oldest", "Newer approvals"
	if decided {
		p.BeforeName, p.NextName = "From the newest", "Older approvals"
	}
	if after > 0 {
		p.Before = link(0)
	}
	if more {
		p.After = link(rows[len(rows)-1].Seq)
	}
	return p
}

// effectClasses returns the effect class of each action of the rows in the bundle in
// force. Without a bundle it is empty: it only adds to what a row shows.
func (s *Service) effectClasses(r *http.Request, c web.Caller, rows []storage.ApprovalRow) map[string]string {
	current, err := s.Rules.For(r.Context(), c.Tenant)
	if err != nil || current.Bundle() == nil {
		return nil
	}
	wanted := map[string]bool{}
	for _, row := range rows {
		wanted[row.Action.ID] = true
	}
	classes := map[string]string{}
	for a := range current.Bundle().EachAction() {
		if wanted[a.ID] && a.EffectClass != "" {
			classes[a.ID] = a.EffectClass
		}
	}
	return classes
}

// verdictsText says who has decided about an approval.
func verdictsText(list []aureus.ApprovalDecision) string {
	var texts []string
	for _, d := range list {
		word := "approved by "
		if d.Verdict == "reject" {
			word = "rejected by "
		}
		texts = append(texts, word+d.By)
	}
	return strings.Join(texts, ", ")
}
