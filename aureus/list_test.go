package aureus_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

const oneMetric = `[{"name":"a","value":1,"timestamp":"t"}]`

func TestAListThatComesToNoEndIsRefused(t *testing.T) {
	for reason, c := range map[string]struct {
		page  func(asked string) (items, next string)
		pages int
		items int
		says  string
	}{
		"two cursors by turns, and no items": {func(asked string) (string, string) {
			if asked == "a" {
				return `[]`, "b"
			}
			return `[]`, "a"
		}, 1000, 0, "1000 pages in a row"},
		"new cursors without an end, and no items but at first": {func(asked string) (string, string) {
			n, _ := strconv.Atoi(asked) // the first asks for none
			if n == 0 {
				return oneMetric, "1"
			}
			return `[]`, strconv.Itoa(n + 1)
		}, 1001, 1, "1000 pages in a row"},
		"a page that comes next to itself": {func(asked string) (string, string) {
			if asked == "" {
				return oneMetric, "a"
			}
			return oneMetric, "a"
		}, 2, 2, "names itself as the next"},
	} {
		t.Run(reason, func(t *testing.T) {
			pages := 0
			server := record(t, func(w http.ResponseWriter, q *http.Request) {
				pages++
				items, next := c.page(q.URL.Query().Get("cursor"))
				w.Header().Set("Link", `</x?cursor=`+next+`>; rel="next"`)
				jsonAnswer(200, items)(w, q)
			})
			got, err := aureus.Collect(newClient(t, server.URL).Metrics(t.Context(), aureus.MetricQuery{}))
			require.ErrorIs(t, err, aureus.ErrMalformed)
			require.ErrorContains(t, err, c.says)
			require.Len(t, got, c.items, "what came before is kept")
			require.Equal(t, c.pages, pages)
		})
	}
}

func TestPagesWithoutItemsAreReadOver(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		n, _ := strconv.Atoi(q.URL.Query().Get("cursor")) // the first asks for none
		items := `[]`
		if n%900 == 899 {
			items = oneMetric
		}
		if n < 1800 {
			w.Header().Set("Link", `</x?cursor=`+strconv.Itoa(n+1)+`>; rel="next"`)
		}
		jsonAnswer(200, items)(w, q)
	})
	got, err := aureus.Collect(newClient(t, server.URL).Metrics(t.Context(), aureus.MetricQuery{}))
	require.NoError(t, err)
	require.Len(t, got, 2)
}
