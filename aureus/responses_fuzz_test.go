package aureus

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/vocab"
)

func responseOf(status int, contentType, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body))}
}

// Reading a stream of arbitrary bytes ends, and yields only events of known kinds.
func FuzzStream(f *testing.F) {
	f.Add("id: 1\nevent: telemetry\ndata: {\"type\":\"custom\",\"timestamp\":\"t\",\"data\":{}}\n\n")
	f.Add(": beat\n\nevent: decision\ndata: {\ndata: }\n\n")
	f.Add("data\n\nevent:x\ndata:{}\n\nid\n")
	f.Add("id: 2\n\nid: 3\nevent: reset\ndata: {}\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		err := readStream("Test", "", responseOf(200, "text/event-stream", text), func(e StreamEvent) bool {
			switch e.Kind {
			case "": // only the id advances
				require.Nil(t, e.Telemetry)
				require.Nil(t, e.Audit)
			case vocab.StreamReset:
				require.Nil(t, e.Telemetry)
				require.Nil(t, e.Audit)
			case vocab.StreamTelemetry:
				require.NotNil(t, e.Telemetry)
			case vocab.StreamDecision, vocab.StreamApproval:
				require.NotNil(t, e.Audit)
			default:
				t.Errorf("kind %q", e.Kind)
			}
			return true
		})
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
		}
	})
}

// Every error response becomes an error whose text is short and has one line.
func FuzzErrorAnswer(f *testing.F) {
	f.Add(422, `{"error":"e","code":"C","details":[1],"remediation":"r","request_id":"i"}`, "7")
	f.Add(307, `{"title":"t\nx"}`, "Wed, 21 Oct 2015 07:28:00 GMT")
	f.Add(500, `[`, "-1")
	f.Fuzz(func(t *testing.T, status int, body, after string) {
		response := responseOf(status, "application/json", body)
		response.Header.Set("Retry-After", after)
		e := errorFromResponse("Test", response)
		require.NotContains(t, e.Error(), "\n")
		require.Less(t, len(e.Error()), 8*maxMessage*4)
		require.GreaterOrEqual(t, e.RetryAfter, time.Duration(0))
	})
}

// A page of arbitrary bytes is read item by item, or refused.
func FuzzList(f *testing.F) {
	f.Add(`[{"name":"n","value":1,"timestamp":"t"}]`)
	f.Add(`[{"name":"n","value":1,"timestamp":"t"},`)
	f.Add(`{"items":[]}`)
	f.Fuzz(func(_ *testing.T, body string) {
		_ = eachItem("Test", responseOf(200, "application/json", body), func(Metric) bool { return true })
	})
}

// With any Link header, the next cursor can be sent in a query.
func FuzzLink(f *testing.F) {
	f.Add(`</api/v1/audit?cursor=MTA%3D&limit=5>; rel="next"`)
	f.Add(`<a>, <b?cursor=1>; title="x,y"; rel=next`)
	f.Add(`<?cursor=%zz>; rel="next`)
	f.Fuzz(func(t *testing.T, link string) {
		cursor, _ := nextCursor(&http.Response{Header: http.Header{"Link": {link}}})
		values, err := url.ParseQuery(addQuery(url.Values{}, "cursor", cursor).Encode())
		require.NoError(t, err)
		require.Equal(t, cursor, values.Get("cursor"))
	})
}
