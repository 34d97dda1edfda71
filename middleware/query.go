package middleware

import (
	"net/url"
	"slices"
	"strings"
)

// hiddenCredential stands in a bound query for the value of a parameter in
// Options.SecretQuery.
const hiddenCredential = "hidden"

// hideQuery returns the query with the values of the credentials replaced. Everything else
// stays byte for byte, so two queries have the same result only if they differ in the values
// of credentials and in the spelling of their names.
//
// A credential must occur once and without a semicolon, which some parsers take for the end of
// the value: otherwise a part that is not bound might be another parameter for the handler.
func (c *Options) hideQuery(query string) (string, error) {
	if len(c.SecretQuery) == 0 || query == "" {
		return query, nil
	}
	pairs := strings.Split(query, "&")
	var seen []string
	for i, pair := range pairs {
		spelled, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(spelled)
		if err != nil || !slices.Contains(c.SecretQuery, name) {
			continue
		}
		if slices.Contains(seen, name) {
			return "", &Invalid{Reason: "the query has the credential " + name + " more than once"}
		}
		if strings.Contains(value, ";") {
			return "", &Invalid{Reason: "the credential " + name + " in the query has a semicolon; escape it as %3B"}
		}
		seen = append(seen, name)
		pairs[i] = url.QueryEscape(name) + "=" + hiddenCredential
	}
	return strings.Join(pairs, "&"), nil
}

// hasQuery reports whether proxies put the address of a request, with its query, into the
// header.
func hasQuery(header string) bool {
	switch header {
	case "X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Forwarded-Uri":
		return true
	}
	return false
}

// hideAddresses does the same as hideQuery for the addresses in a header. It returns the values
// of any other header unchanged.
func (c *Options) hideAddresses(header string, values []string) ([]string, error) {
	if len(c.SecretQuery) == 0 || !hasQuery(header) {
		return values, nil
	}
	clean := make([]string, len(values))
	for i, value := range values {
		address, query, found := strings.Cut(value, "?")
		query, err := c.hideQuery(query)
		if err != nil {
			return nil, err
		}
		if found {
			address += "?" + query
		}
		clean[i] = address
	}
	return clean, nil
}
