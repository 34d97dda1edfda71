package controlplane_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

type observabilityCase struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Input struct {
		Events      []jsontext.Value `json:"events,omitzero"`
		TimeRangeMS int64            `json:"time_range_ms,omitzero"`
		Now         string           `json:"now,omitzero"`
		Text        string           `json:"text,omitzero"`
	} `json:"input"`
	Expected jsontext.Value `json:"expected"`
}

// The test reports the events of each case in a separate tenant, one by one and as a
// batch, and reads the summary over HTTP. Package telemetry tests the cases about the
// form of events.
func TestObservability_PublishedVectors_GiveTheirResults(t *testing.T) {
	t.Parallel()
	var file struct {
		Vectors []observabilityCase `json:"vectors"`
	}
	text, err := os.ReadFile("testdata/observability.json")
	require.NoError(t, err)
	require.NoError(t, strictjson.Unmarshal(text, &file))
	srv := open(t, func(c *controlplane.Config) { c.Now = crvClock })
	s := newSite(t, srv)
	ran := map[string]int{}
	for i, v := range file.Vectors {
		ran[v.Kind]++
		t.Run(v.Name, func(t *testing.T) {
			s := s.as(newKey(t, srv, controlplane.RoleService, "svc", func(k *controlplane.Key) { k.Tenant = fmt.Sprintf("case-%d", i) }))
			switch v.Kind {
			case "metrics_summary":
				summarized(t, s, v)
			case "parse_time_range":
				var want struct {
					MS    int64 `json:"ms,omitzero"`
					Error bool  `json:"error,omitzero"`
				}
				require.NoError(t, strictjson.Unmarshal(v.Expected, &want))
				got := s.get(t, "/api/v1/observability/summary?range="+url.QueryEscape(v.Input.Text))
				if want.Error {
					got.refusal(t, http.StatusBadRequest, "VALIDATION_ERROR")
					return
				}
				var answer aureus.Summary
				require.NoError(t, strictjson.Unmarshal([]byte(got.ok(t).body), &answer))
				start, _ := answer.StartTime.Time()
				end, _ := answer.EndTime.Time()
				require.Equal(t, want.MS, end.Sub(start).Milliseconds())
			}
		})
	}
	require.Equal(t, 12, ran["metrics_summary"])
	require.Equal(t, 4, ran["parse_time_range"])
}

func summarized(t *testing.T, s *site, v observabilityCase) {
	t.Helper()
	for _, event := range v.Input.Events[:len(v.Input.Events)/2] {
		s.post(t, "/api/v1/observability/events", string(event)).ok(t)
	}
	rest, err := strictjson.Marshal(v.Input.Events[len(v.Input.Events)/2:])
	require.NoError(t, err)
	require.Empty(t, s.post(t, "/api/v1/observability/events/batch", string(rest)).ok(t).json(t)["rejected"])

	query := "range=0"
	if v.Input.TimeRangeMS > 0 { // a range this short has no text form, so the test sends start and end times
		end, err := time.Parse(time.RFC3339, v.Input.Now)
		require.NoError(t, err)
		start := end.Add(-time.Duration(v.Input.TimeRangeMS) * time.Millisecond)
		query = url.Values{"start_time": {start.Format(time.RFC3339Nano)}, "end_time": {v.Input.Now}}.Encode()
	}
	body := s.get(t, "/api/v1/observability/summary?"+query).ok(t).json(t)
	delete(body, "start_time")
	delete(body, "end_time")
	text, err := json.Marshal(body)
	require.NoError(t, err)
	var want, got aureus.Summary
	require.NoError(t, json.Unmarshal(v.Expected, &want))
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, want, got)
}
