package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

const historyPage = 50 // versions on one page

type historyData struct {
	Versions []storage.Bundle // without their texts
	First    bool             // the first page, whose first version is in force
	Next     int64            // the next page begins below this version; 0 on the last page

	// From and To are the versions that the form to compare selects at first.
	From, To int64
}

// history answers GET history with a page of the versions, the newest first.
func (s *Service) history(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	before, err := versionIn(r, "before")
	if err != nil {
		return err
	}
	var data historyData
	if err := s.Store.View(r.Context(), func(t storage.Tx) error {
		list, more, err := t.Policies().Bundles(c.Tenant, before, historyPage)
		data = historyData{Versions: list, First: before == 0}
		if more {
			data.Next = list[len(list)-1].Version
		}
		return err
	}); err != nil {
		return err
	}
	if n := len(data.Versions); n > 0 {
		data.From, data.To = data.Versions[min(1, n-1)].Version, data.Versions[0].Version
	}
	return s.show(w, r, http.StatusOK, "history", view{Title: "History", Section: "history", Caller: c, Data: data})
}

// queryText returns a value of the query without the spaces around it.
func queryText(r *http.Request, name string) string {
	return strings.TrimSpace(r.URL.Query().Get(name))
}

// versionIn reads a version from the query; 0 if it is absent.
func versionIn(r *http.Request, name string) (int64, error) {
	text := queryText(r, name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, web.BadQuery(name, "must be the number of a version")
	}
	return n, nil
}

type diffData struct {
	From, To       bundleData
	Hunks          []hunk
	Added, Removed int
	Coarse         bool // the texts differ so much that equal lines between them were not looked for
}

// diff answers GET diff with the difference between two versions.
func (s *Service) diff(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var data diffData
	for _, side := range []struct {
		name string
		data *bundleData
	}{{"from", &data.From}, {"to", &data.To}} {
		number, err := versionIn(r, side.name)
		if err != nil {
			return err
		}
		if *side.data, err = s.versionData(r.Context(), c, number); err != nil {
			return err
		}
	}
	account := web.Account(r)
	if err := web.CapacityError(account.Charge(shownWeight * int64(len(data.From.Text)+len(data.To.Text)))); err != nil {
		return err
	}
	if err := web.CapacityError(account.Work(r.Context())); err != nil {
		return err
	}
	lines, coarse := compare(linesOf(data.From.Text), linesOf(data.To.Text))
	data.Coarse = coarse
	for _, l := range lines {
		if l.Kind == lineAdded {
			data.Added++
		}
		if l.Kind == lineRemoved {
			data.Removed++
		}
	}
	data.Hunks = hunks(lines)
	return s.show(w, r, http.StatusOK, "diff", view{Title: "Difference", Section: "history", Caller: c, Data: data})
}
