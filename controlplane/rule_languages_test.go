package controlplane_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// The types of validators that need a rule language (json_schema, cel and
// cross_field_consistency), over the API.
func TestRuleLanguages_OverTheAPI_JudgeCommits(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "aureus.db")
	config := func(c *controlplane.Config) { c.DB = db }
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
	require.NoError(t, err)
	key := newKey(t, srv, controlplane.RoleService, "service")
	service := client(t, srv, key)

	for id, body := range map[string]string{
		"limit": `{"type":"cel",
			"parameters":{"expression":"data.amount + 1 <= data.limit","message":"beyond the limit","failure_code":"OUT_OF_SCOPE"},
			"tests":[{"name":"below","want":"passed","commit":{"id":"1","data":{"amount":1.5,"limit":3}}}]}`,
		"shape": `{"type":"json_schema","parameters":{"schema":{"type":"object","required":["amount"]}}}`,
		"parts": `{"type":"cross_field_consistency",
			"parameters":{"rules":[{"name":"order","fields":["limit"],"expression":"!has(data.amount) || data.amount <= data.limit"}]}}`,
	} {
		registered, err := service.RegisterValidator(t.Context(), id, json.RawMessage(body))
		require.NoError(t, err, id)
		require.Equal(t, 1, registered.Version)
	}
	judge := func(t *testing.T, service *aureus.Client) {
		t.Helper()
		for reason, row := range map[string]struct {
			data  map[string]any
			codes []aureus.FailureTaxonomy // of limit, shape and parts
		}{
			"all hold":             {map[string]any{"amount": 2, "limit": 3}, []aureus.FailureTaxonomy{"", "", ""}},
			"the CEL rule fails":   {map[string]any{"amount": 2.5, "limit": 3}, []aureus.FailureTaxonomy{aureus.OutOfScope, "", ""}},
			"a property is absent": {map[string]any{"limit": 3}, []aureus.FailureTaxonomy{aureus.MissingData, aureus.MissingData, ""}},
			"fields contradict":    {map[string]any{"amount": 4, "limit": 3}, []aureus.FailureTaxonomy{aureus.OutOfScope, "", aureus.Conflict}},
		} {
			result, err := service.ValidateCommit(t.Context(), aureus.Commit{ID: "1", Data: row.data},
				aureus.GateConfig{Name: "g", Validators: []string{"limit", "shape", "parts"}, BlockOnFailure: true})
			require.NoError(t, err, reason)
			for i, code := range row.codes {
				require.Equal(t, code, result.ValidationResults[i].FailureCode, reason)
				require.Equal(t, code == "", result.ValidationResults[i].Valid, reason)
			}
		}
	}
	judge(t, service)

	// A refusal gives the position in the body of the request, and changes nothing.
	refusal := raw{
		path: "/api/v1/crv/validators", key: key,
		body: `{"validator_id":"limit","config":{"type":"cel","parameters":{"expression":"data.amount <=\n  limit"}}}`,
	}.do(t, srv).refusal(t, http.StatusUnprocessableEntity, "VALIDATION_ERROR")
	details, _ := refusal["details"].([]any)
	require.Len(t, details, 1)
	problem, _ := details[0].(map[string]any)
	require.Equal(t, "/config/parameters/expression", problem["pointer"])
	require.Equal(t, json.Number("2"), problem["line"])
	require.Equal(t, json.Number("3"), problem["column"])
	raw{
		path: "/api/v1/crv/validators", key: key,
		body: `{"validator_id":"shape","config":{"type":"json_schema","parameters":{"schema":{"$ref":"file:///etc/hostname"}}}}`,
	}.do(t, srv).refusal(t, http.StatusUnprocessableEntity, "VALIDATION_ERROR")
	judge(t, service)

	// Registered validators are in force after a restart.
	require.NoError(t, srv.Close())
	again := open(t, config)
	judge(t, client(t, again, key))
}
