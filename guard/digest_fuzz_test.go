package guard_test

import (
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// same is the test oracle: it reports whether two JSON values are equal, without using
// the digest.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && toRat(a).Cmp(toRat(b)) == 0
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for name := range a {
			if other, there := b[name]; !there || !same(a[name], other) {
				return false
			}
		}
		return true
	default:
		return a == b
	}
}

func toRat(n json.Number) *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		panic("not a number: " + string(n))
	}
	return r
}

// tooLargeForOracle reports whether the text contains a number whose exponent has
// more than four characters: big.Rat would expand it.
func tooLargeForOracle(text string) bool {
	for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r != 'e' && r != 'E' && r != '+' && r != '-' && (r < '0' || r > '9') }) {
		if i := strings.LastIndexAny(part, "eE"); i >= 0 && len(part)-i > 5 {
			return true
		}
	}
	return false
}

// FuzzDigest checks that two JSON values have the same digest if and only if they are
// equal, whatever their spelling, and that conditions compare in the same way.
func FuzzDigest(f *testing.F) {
	for _, pair := range [][2]string{
		{`1`, `1.0`},
		{`1`, `1e0`},
		{`10`, `1e1`},
		{`0`, `-0`},
		{`0.10`, `1E-1`},
		{`9007199254740993`, `9007199254740992`},
		{`1`, `"1"`},
		{`null`, `"null"`},
		{`[]`, `{}`},
		{`[[],[]]`, `[[[]]]`},
		{`["ab"]`, `["a","b"]`},
		{`{"a":1,"b":[true,false]}`, `{ "b" : [true,false], "a":1.0 }`},
		{`{"a":null}`, `{}`},
		{`{"":0}`, `{"":""}`},
		{`"\u00e9"`, `"é"`},
		{`1e999999999`, `1e99999999999`},
		{`[1,2]`, `[12]`},
		{`-1`, `1`},
		{`100`, `1`},
		{`0.05`, `5e-2`},
		{`0.5`, `0.05`},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		a, errA := strictjson.Parse([]byte(first))
		b, errB := strictjson.Parse([]byte(second))
		if errA != nil || errB != nil || tooLargeForOracle(first) || tooLargeForOracle(second) {
			return
		}
		equal := digest(t, aureus.Request{Arguments: a}) == digest(t, aureus.Request{Arguments: b})
		require.Equal(t, same(a, b), equal)

		held := requestWith(useThing(aureus.Permission{Conditions: map[string]any{"c": b}}), useThing(aureus.Permission{Conditions: map[string]any{"c": a}}))
		allowed := (&guard.Local{}).Preview(held).Effect == aureus.Allow
		list, _ := b.([]any)
		anyOf := same(a, b)
		for _, element := range list {
			anyOf = anyOf || same(a, element)
		}
		require.Equal(t, anyOf, allowed, "conditions compare values as digests do")
	})
}

// Client and server must compute the same digest for a request, or the server
// would never find its approval. The test sends random requests through JSON.
func TestDigest_AfterJSONRoundTrip_IsTheSame(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		request := randomRequest(random)
		text, err := strictjson.Marshal(request.Context())
		require.NoError(t, err)
		var received aureus.PolicyContext
		require.NoError(t, strictjson.Unmarshal(text, &received), string(text))
		require.Equal(t, digest(t, request), digest(t, received.Request()), string(text))
	}
}

func randomRequest(r *rand.Rand) aureus.Request {
	word := func() string { return []string{"", "a", "b", "ab", "é", "a\x00b", `"`, "1"}[r.IntN(8)] }
	words := func() (list []string) {
		for range r.IntN(3) {
			list = append(list, word())
		}
		return list
	}
	object := func() map[string]any {
		if r.IntN(3) == 0 {
			return nil
		}
		m := map[string]any{}
		for range r.IntN(3) {
			m["x"+word()] = randomValue(r, 3)
		}
		return m
	}
	request := aureus.Request{
		Principal:  aureus.Principal{ID: word(), Type: word(), Permissions: []aureus.Permission{{Action: word()}}},
		OnBehalfOf: word(), Tool: word(), Arguments: randomValue(r, 4), ApprovalToken: word(),
		Action: aureus.Action{
			ID: word(), Name: word(), RiskTier: []aureus.PolicyRiskTier{"low", "medium", "high", "critical"}[r.IntN(4)],
			Intent:   []aureus.Intent{"", "read", "write"}[r.IntN(3)],
			DataZone: []aureus.DataZone{"", "public", "internal"}[r.IntN(3)], AllowedTools: words(), Metadata: object(),
		},
	}
	for range r.IntN(3) {
		request.Action.RequiredPermissions = append(request.Action.RequiredPermissions, aureus.Permission{
			Action: word(), Resource: word(), Intent: []aureus.Intent{"", "read", "write"}[r.IntN(3)], Conditions: object(),
		})
	}
	if r.IntN(2) == 0 {
		request.HTTP = &aureus.HTTPCall{
			Method: word(), Host: word(), Path: word(), Query: word(), ContentType: word(), ContentEncoding: word(),
			Body: []aureus.Body{nil, aureus.Body("x"), {0xff, 0x00}, aureus.Body("base64:eA==")}[r.IntN(4)],
		}
		if r.IntN(2) == 0 {
			request.HTTP.Headers = map[string][]string{"H" + word(): append(words(), word())}
		}
	}
	if r.IntN(2) == 0 {
		request.Volatile = []string{"/arguments/x", "/metadata/x", "/arguments/0"}[:r.IntN(4)]
	}
	return request
}

func randomValue(r *rand.Rand, depth int) any {
	kinds := 8
	if depth == 0 {
		kinds = 6
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return []string{"", "a", "1", "null", "é"}[r.IntN(5)]
	case 3:
		return json.Number([]string{"0", "1", "10", "1.5", "-2", "9007199254740993", "9007199254740992", "1e999999999"}[r.IntN(8)])
	case 4:
		return r.IntN(3)
	case 5:
		return 0.25 * float64(1+r.IntN(3))
	case 6:
		list := []any{}
		for range r.IntN(3) {
			list = append(list, randomValue(r, depth-1))
		}
		return list
	default:
		object := map[string]any{}
		for range r.IntN(3) {
			object[[]string{"x", "y", "", "0"}[r.IntN(4)]] = randomValue(r, depth-1)
		}
		return object
	}
}
