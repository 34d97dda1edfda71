package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{"type":"schema","parameters":{"fields":{"a":"string"}}}`,
		`{"type":"statistical_bounds","parameters":{"field":"x","min":-1,"max":1e5,"mean":0.1,"stddev":0,"tolerance":2}}`,
		`{"type":"anomaly_detection","parameters":{"field":"x","history":[1,2],"threshold":0}}`,
		`{"type":"temporal_monotonic","parameters":{"maxTimeDrift":1e300}}`,
		`{"type":"memory_policy","parameters":{"threshold":9007199254740993,"require_compression":true}}`,
		`{"type":"custom","validation_logic":"x","parameters":{"min_x":1,"max_x":1e999}}`,
		`{"type":"max_size","parameters":{"max":1e308},"tests":[{"name":"","commit":{"id":"","data":null},"want":"passed"}]}`,
		`{"type":"compliance_standards","parameters":{"required":[""]}}`,
	} {
		f.Add([]byte(seed), `{"x":1}`)
	}
	f.Fuzz(func(t *testing.T, config []byte, dataText string) {
		var r registry.Registry
		_, err := r.Register(t.Context(), "v", config)
		if err != nil {
			require.ErrorIs(t, err, aureus.ErrInvalid)
			require.False(t, validate(t, &r, nil, "v").Passed)
			return
		}
		require.True(t, json.Valid(config))
		data, err := strictjson.Parse([]byte(dataText))
		if err != nil {
			return
		}
		result := validate(t, &r, data, "v")
		require.Len(t, result.ValidationResults, 1)
		_, err = strictjson.Marshal(result)
		require.NoError(t, err)
		require.NotContains(t, result.ValidationResults[0].Reason, "panicked")
	})
}
