package aureus_test

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

const oneMetric = `[{"name":"a","value":1,"timestamp":"t"}]`

func TestList_WithoutAnEnd_IsMalformed(t *testing.T) {
	for reason, c := range map[string]struct {
		page  func(asked string) (items, next string)
		pages int
		items int
		says  string
	}{
		"two alternating cursors, no items": {func(asked string) (string, string) {
			if asked == "a" {
				return `[]`, "b"
			}
			return `[]`, "a"
		}, 1000, 0, "1000 pages in a row"},
		"endless new cursors, items only on the first page": {func(asked string) (string, string) {
			n, _ := strconv.Atoi(asked) // the first page has no cursor
			if n == 0 {
				return oneMetric, "1"
			}
			return `[]`, strconv.Itoa(n + 1)
		}, 1001, 1, "1000 pages in a row"},
		"a page that links to itself": {func(asked string) (string, string) {
			if asked == "" {
				return oneMetric, "a"
			}
			return oneMetric, "a"
		}, 2, 2, "links to itself as the next"},
	} {
		t.Run(reason, func(t *testing.T) {
			pages := 0
			server := record(t, func(w http.ResponseWriter, q *http.Request) {
				pages++
				items, next := c.page(q.URL.Query().Get("cursor"))
				w.Header().Set("Link", `</x?cursor=`+next+`>; rel="next"`)
				jsonResponse(200, items)(w, q)
			})
			got, err := aureus.Collect(newClient(t, server.URL).Metrics(t.Context(), aureus.MetricQuery{}))
			require.ErrorIs(t, err, aureus.ErrMalformed)
			require.ErrorContains(t, err, c.says)
			require.Len(t, got, c.items, "the items before the error are returned")
			require.Equal(t, c.pages, pages)
		})
	}
}

func TestList_EmptyPages_AreSkipped(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		n, _ := strconv.Atoi(q.URL.Query().Get("cursor")) // the first page has no cursor
		items := `[]`
		if n%900 == 899 {
			items = oneMetric
		}
		if n < 1800 {
			w.Header().Set("Link", `</x?cursor=`+strconv.Itoa(n+1)+`>; rel="next"`)
		}
		jsonResponse(200, items)(w, q)
	})
	got, err := aureus.Collect(newClient(t, server.URL).Metrics(t.Context(), aureus.MetricQuery{}))
	require.NoError(t, err)
	require.Len(t, got, 2)
}

// The next page is the link with rel="next", in every form of RFC 8288. A list that
// continues is never taken for a whole one.
func TestList_Link_LeadsToTheNextPage(t *testing.T) {
	for name, row := range map[string]struct {
		links []string
		next  string // the cursor of the next request; empty at the end of the list
		bad   bool
	}{
		"none":                         {},
		"relative":                     {links: []string{`<?cursor=2&limit=1>; rel="next"`}, next: "2"},
		"absolute":                     {links: []string{`<https://elsewhere.example/x?cursor=2>; rel="next"`}, next: "2"},
		"without quotes":               {links: []string{`<?cursor=2>; rel=next`}, next: "2"},
		"in capitals":                  {links: []string{`<?cursor=2>; REL="NEXT"`}, next: "2"},
		"with other parameters":        {links: []string{`<?cursor=2>; title="a, b; rel=\"prev\""; rel="next"`}, next: "2"},
		"two relations":                {links: []string{`<?cursor=2>; rel="last next"`}, next: "2"},
		"after another link":           {links: []string{`<?cursor=1>; rel="prev", <?cursor=2>; rel="next"`}, next: "2"},
		"in another header":            {links: []string{`<?cursor=1>; rel="first"`, `<?cursor=2>; rel="next"`}, next: "2"},
		"before another link":          {links: []string{`<?cursor=2>;rel=next,<?cursor=9>;rel=last`}, next: "2"},
		"of another relation":          {links: []string{`<?cursor=1>; rel="prev"`}},
		"of a similar relation":        {links: []string{`<?cursor=1>; rel="nextish"`}},
		"only in a title":              {links: []string{`<?cursor=1>; rel="prev"; title="rel=next"`}},
		"in a title after a semicolon": {links: []string{`<?cursor=1>; title="a; rel=next"; rel="prev"`}},
		"a comma in its address":       {links: []string{`<?cursor=2,3>; rel="next"`}, next: "2,3"},
		"without a cursor":             {links: []string{`<?page=2>; rel="next"`}, bad: true},
		"with an empty cursor":         {links: []string{`<?cursor=>; rel="next"`}, bad: true},
		"with a malformed address":     {links: []string{`<:%zz>; rel="next"`}, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, func(w http.ResponseWriter, q *http.Request) {
				if q.URL.Query().Get("cursor") == "" {
					w.Header()["Link"] = row.links
				}
				jsonResponse(200, `[{"name":"a","value":1,"timestamp":"t"}]`)(w, q)
			})
			_, err := aureus.Collect(newClient(t, server.URL).Metrics(t.Context(), aureus.MetricQuery{Name: "a"}))
			if row.bad {
				require.ErrorIs(t, err, aureus.ErrMalformed)
				return
			}
			require.NoError(t, err)
			if row.next == "" {
				require.Len(t, server.all(), 1)
				return
			}
			require.Len(t, server.all(), 2)
			second, err := url.ParseQuery(server.all()[1].query)
			require.NoError(t, err)
			require.Equal(t, url.Values{"name": {"a"}, "cursor": {row.next}}, second)
		})
	}
}
