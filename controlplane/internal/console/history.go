package console

import (
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

const historyPage = 50 // versions on one page

func (s *Service) historyRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "history", Query: parameters("before"), Handler: s.history},
		{Pattern: "GET " + Root + "diff", Query: parameters("from", "to"), Handler: s.diff},
	}
}

// historyData is the data of the page history.
type historyData struct {
	Versions []storage.Bundle // without their texts
	First    bool             // the first page, whose first version is in force
	Pager    pager

	// From and To are the versions that the form to compare selects at first.
	From, To int64
}

// history answers GET history with a page of the versions, the newest first.
func (s *Service) history(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	before, err := numberIn(r, "before")
	if err != nil {
		return err
	}
	var data historyData
	if err := s.Store.View(r.Context(), func(t storage.Tx) error {
		list, more, err := t.Policies().Bundles(c.Tenant, before, historyPage)
		data = historyData{Versions: list, First: before == 0}
		if more {
			data.Pager = pager{After: "?before=" + strconv.FormatInt(list[len(list)-1].Version, 10), NextName: "Earlier versions"}
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
