package middleware_test

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

func TestUncovered_EveryKindOfPattern_IsFound(t *testing.T) {
	t.Parallel()
	all := append([]string{"POST /x", "/x", "GET /x/{a}/y/{b}", "example.com/", "GET example.com/x/{$}", "/a/b/c/d/e/f"}, patterns...)
	mux := servingMux(bare, all...)
	require.ElementsMatch(t, all, middleware.Uncovered(mux, guard.Routes{}))
	require.Empty(t, middleware.Uncovered(http.NewServeMux(), guard.Routes{}))

	var table guard.Routes
	for i, pattern := range all {
		table = append(table, guard.Route{Pattern: pattern, Open: i%2 == 0, Action: aureus.Action{ID: "a"}})
	}
	require.Empty(t, middleware.Uncovered(mux, table))
	require.NotPanics(t, func() { middleware.MustCover(mux, table) })
}

func TestUncovered_Methods_CountAsInTheGuard(t *testing.T) {
	t.Parallel()
	mux := servingMux(bare, "GET /read", "/some", "POST /wide", "GET /other", "/unbound", "GET /closed")
	table := guard.Routes{bound("GET /read", "a"), bound("POST /some", "b"), bound("/wide", "c"), bound("POST /other", "d"), {Pattern: "GET /closed"}, bound("GET /gone", "e")}
	require.Equal(t, []string{"/unbound", "GET /closed", "GET /other"}, middleware.Uncovered(mux, table))
	require.PanicsWithValue(t, "middleware: MustCover: 3 routes are bound to nothing and would be refused; bind each to an action or declare it open:\n\t/unbound\n\tGET /closed\n\tGET /other",
		func() { middleware.MustCover(mux, table) })
	require.Panics(t, func() { middleware.Uncovered(nil, table) })
	require.Panics(t, func() { middleware.Uncovered(mux, nil) })
}

func TestUncoveredPatterns_OfAnotherRouter_CountAsThoseOfAMux(t *testing.T) {
	t.Parallel()
	table := guard.Routes{bound("GET /read", "a"), open("/open"), {Pattern: "GET /closed"}, bound("/ledger.v1.Ledger/Transfer", "b")}
	require.Equal(t, []string{"GET /closed", "POST /read", "unknown"}, middleware.UncoveredPatterns([]string{
		"unknown", "GET /read", "HEAD /read", "/read", "POST /read", "PUT /open", "GET /closed", "POST /read", "/ledger.v1.Ledger/Transfer", "POST /ledger.v1.Ledger/Transfer",
	}, table))
	require.Panics(t, func() { middleware.UncoveredPatterns(nil, nil) })
}

// With GODEBUG=httpmuxgo121=1 a mux keeps its patterns elsewhere. The setting is read when the
// program starts, so the test runs itself again.
func TestUncovered_OldMux_IsReadToo(t *testing.T) {
	if os.Getenv("GODEBUG") == "httpmuxgo121=1" {
		mux := servingMux(bare, "/x", "/y/")
		require.Equal(t, []string{"/y/"}, middleware.Uncovered(mux, guard.Routes{bound("/x", "a")}))
		return
	}
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestUncovered_OldMux_IsReadToo$", "-test.count=1")
	command.Env = append(os.Environ(), "GODEBUG=httpmuxgo121=1")
	text, err := command.CombinedOutput()
	require.NoError(t, err, string(text))
	require.Contains(t, string(text), "PASS")
}

func TestReport_Routes_AreListedWithWhoMay(t *testing.T) {
	t.Parallel()
	table := guard.Routes{
		{Pattern: "POST /transfers", Action: aureus.Action{ID: "transfer.make", RiskTier: aureus.TierHigh}, Arguments: []string{"path", "body"}, Roles: []string{"clerk", "teller"}},
		{Pattern: "GET /accounts/{id}", Action: aureus.Action{ID: "account.read", RiskTier: aureus.TierLow}},
		{Pattern: "DELETE /accounts/{id}", Action: aureus.Action{ID: "account.delete", RiskTier: aureus.TierCritical}, Arguments: []string{}, Roles: []string{}},
		{Pattern: "GET /healthz", Action: aureus.Action{ID: "healthz"}, Open: true},
		{Pattern: "GET /closed"},
	}
	require.Equal(t, strings.TrimLeft(`
ROUTE                  ACTION          TIER      WHO MAY        ARGUMENTS
DELETE /accounts/{id}  account.delete  critical  NOBODY         none
GET /accounts/{id}     account.read    low       -              path
GET /closed            NOT BOUND       -         NOBODY         every request is refused
GET /healthz           healthz         OPEN      EVERYBODY      no decision, no record
POST /transfers        transfer.make   high      clerk, teller  path, body
5 routes, 1 OPEN, 1 NOT BOUND
`, "\n"), middleware.Report(table))

	mux := servingMux(bare, "GET /accounts/{id}", "GET /debug", "POST /transfers", "GET /closed")
	report := middleware.Report(table, mux)
	require.Contains(t, report, "GET /debug             NOT BOUND")
	require.Contains(t, report, "no decision, no record  (no mux serves it)\n")
	require.Contains(t, report, "none  (no mux serves it)\n", "the mux has another method of the path")
	require.Contains(t, report, "\n6 routes, 1 OPEN, 2 NOT BOUND, 2 that no mux serves\n")
}

func TestReport_NamesWithControlCharacters_AreEscaped(t *testing.T) {
	t.Parallel()
	report := middleware.Report(guard.Routes{{Pattern: "GET /x", Action: aureus.Action{ID: "a\x1b[2Jb"}, Roles: []string{"c\td"}}})
	require.NotContains(t, report, "\x1b")
	require.Contains(t, report, `"c\td"`)
}
