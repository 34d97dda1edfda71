package policy

import "github.com/farmountain/aureus-go/aureus"

// RequestsOfTests returns the requests of the tests in the bundle.
func RequestsOfTests(b *Bundle) (requests []aureus.Request) {
	for n := range b.tests {
		requests = append(requests, b.tests[n].request)
	}
	return requests
}
