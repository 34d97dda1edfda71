package routepattern_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

func TestColon_Route_BecomesAPatternOfNetHTTP(t *testing.T) {
	for route, want := range map[string]string{
		"/":                   "GET /",
		"/accounts/:id":       "GET /accounts/{id}",
		"/accounts/:id/":      "GET /accounts/{id}/",
		"/a/:b/c/*path":       "GET /a/{b}/c/{path...}",
		"/files/*":            "GET /files/{rest...}",
		"/:rest/*":            "",
		"/users/:id/:id":      "",
		"/v1/name:action":     "",
		"/files/:id.json":     "",
		"/files/*path/x":      "",
		`/a\:b`:               "",
		"/a/{b}":              "",
		"/a//b":               "",
		"/a/../b":             "",
		"/a/:":                "",
		"accounts":            "",
		"":                    "",
		"/:account-id/report": "",
	} {
		require.Equal(t, want, routepattern.Colon("GET", route), route)
	}
}

func TestBraces_Route_BecomesAPatternOfNetHTTP(t *testing.T) {
	for route, want := range map[string]string{
		"/":                              "HEAD /",
		"/accounts/{id}":                 "HEAD /accounts/{id}",
		"/accounts/{id:[0-9]+}":          "HEAD /accounts/{id}",
		"/accounts/{id:[0-9]{2}}/x":      "HEAD /accounts/{id}/x",
		"/accounts/{id:a/b}/x":           "HEAD /accounts/{id}/x",
		"/files/*":                       "HEAD /files/{rest...}",
		"/files/{path:.*}":               "HEAD /files/{path...}",
		"/files/{path:.*}/x":             "",
		"/dated/{month}-{day}":           "",
		"/a/{id}/{id}":                   "",
		"/a/:id":                         "",
		"/a/{id":                         "",
		"/a/{}":                          "",
		"/a/{a-b}":                       "",
		"example.com/accounts/{id}":      "HEAD example.com/accounts/{id}",
		"{tenant}.example.com/accounts":  "",
		"example.com:{port:.*}/accounts": "",
	} {
		require.Equal(t, want, routepattern.Braces("HEAD", route), route)
	}
}

// What is not empty, a ServeMux accepts: it panics otherwise.
func FuzzPatterns_AnyRoute_IsAcceptedByServeMuxOrEmpty(f *testing.F) {
	for _, route := range []string{"/a/:b/*c", "/a/{b:[0-9]{2}}/*", "h/{a:/}", "//", "/a/./b", "/{$}", "/{a...}", "/%zz/:a"} {
		f.Add(route)
	}
	f.Fuzz(func(_ *testing.T, route string) {
		for _, pattern := range []string{routepattern.Colon("GET", route), routepattern.Braces("GET", route)} {
			if pattern != "" {
				http.NewServeMux().HandleFunc(pattern, func(http.ResponseWriter, *http.Request) {})
			}
		}
	})
}
