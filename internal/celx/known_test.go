package celx_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/schemax"
)

const transferSchema = `{
	"type": "object", "additionalProperties": false,
	"properties": {
		"amount": {"type": "number"}, "count": {"type": "integer"}, "to": {"type": "string"}, "note": {"type": ["string", "null"]},
		"urgent": {"type": "boolean"}, "currency": {"enum": ["EUR", "USD"]}, "either": {"type": ["string", "number"]}, "free": {},
		"payee": {"$ref": "#/$defs/payee"}, "tags": {"type": "array", "items": {"type": "string"}},
		"codes": {"type": "array", "items": {"type": "integer"}}, "matrix": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
		"items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "number"}}, "additionalProperties": false}},
		"open": {"type": "object", "properties": {"name": {"type": "string"}}}
	},
	"$defs": {"payee": {"allOf": [{"type": "object"}], "properties": {"name": {"type": "string"}, "bank": {"$ref": "#/$defs/payee"}}, "additionalProperties": false}}
}`

func checker(t testing.TB, schema string) *celx.Checker {
	t.Helper()
	compiled, problems := schemax.Compile(parse(t, schema))
	require.Empty(t, problems)
	return celx.NewChecker(celx.Known{
		Arguments: compiled.Shape(), Params: schemax.ShapeOf(parse(t, `{"known": ["acme"], "limit": 5, "limits": {"eur": 5, "usd": 7}, "mixed": [1, "a"]}`)),
		Resource: []string{"owner", "id"},
	})
}

func TestChecker_Mistakes_AreFoundWithTheirPosition(t *testing.T) {
	t.Parallel()
	c := checker(t, transferSchema)
	for text, want := range map[string]struct {
		column  int
		message string
	}{
		`arguments.amuont <= 100.0`:                   {10, "undefined field 'amuont': arguments has the members amount, codes, count"},
		`true && arguments['amuont'] <= 100.0`:        {18, "undefined field 'amuont'"},
		`has(arguments.amuont)`:                       {4, "undefined field 'amuont'"},
		`arguments.payee.nmae == 'x'`:                 {16, "arguments.payee has the members bank, name"},
		`arguments.payee.bank.bank.nmae == 'x'`:       {26, "undefined field"},
		`arguments.items.all(i, i.prize > 0)`:         {25, "undefined field 'prize'"},
		`arguments.items[0].prize > 0`:                {19, "undefined field 'prize'"},
		`arguments.to < 5`:                            {14, "applied to '(string, int)'"},
		`arguments.to == 5`:                           {14, "applied to '(string, double)'"},
		`5 != arguments.to`:                           {3, "applied to '(double, string)'"},
		`arguments.amount == '5'`:                     {18, "applied to '(double, string)'"},
		`arguments.amount in ['5']`:                   {18, "applied to '(double, list(string))'"},
		`arguments.amount in params.known`:            {18, "applied to '(double, list(string))'"},
		`arguments.to in arguments.codes`:             {14, "applied to '(string, list(double))'"},
		`arguments.to + 1 == 'x'`:                     {14, "applied to '(string, int)'"},
		`arguments.to.all(c, c == 'x')`:               {10, "cannot be range of a comprehension"},
		`arguments.amount.exists(x, x > 1)`:           {10, "cannot be range of a comprehension"},
		`arguments.amount.cents > 1`:                  {17, "does not support field selection"},
		`arguments.tags.name == 'x'`:                  {15, "does not support field selection"},
		`arguments.tags[0] > 5`:                       {19, "applied to '(string, int)'"},
		`arguments.urgent == 'yes'`:                   {18, "applied to '(bool, string)'"},
		`arguments.note == 5`:                         {16, "applied to '(string, double)'"},
		`arguments.amount.startsWith('x')`:            {28, "no matching overload"},
		`arguments.payee == 'x'`:                      {17, "no matching overload"},
		`arguments.payee > 5`:                         {17, "no matching overload"},
		`size(arguments.amount) > 1`:                  {5, "no matching overload"},
		`(has(arguments.to) ? arguments.to : '') > 5`: {41, "applied to '(string, int)'"},
		`arguments.currency == 'EURO'`:                {23, "the known words are EUR, USD"},
		`arguments.currency in ['EUR', 'usd']`:        {31, "the known words are EUR, USD"},
		`arguments.to in params.knwon`:                {23, "params has the members known, limit, limits, mixed"},
		`arguments.amount < params.limits.gbp`:        {33, "params.limits has the members eur, usd"},
		`resource.ownr == principal.id`:               {9, "resource has the members id, owner"},
		`arguments.codes == ['a']`:                    {17, "no matching overload"},
		`arguments.open.name > 5`:                     {21, "applied to '(string, int)'"},
	} {
		err := policyCondition(t, text).CheckWith(c)
		failure, ok := errors.AsType[*celx.CompileError](err)
		require.True(t, ok, text)
		require.Contains(t, failure.Problems[0].Message, want.message, text)
		require.Equal(t, want.column, failure.Problems[0].Column, "%s: %v", text, err)
		require.Equal(t, 1, failure.Problems[0].Line)
	}
}

// What an evaluation accepts is not refused because a type is known.
func TestChecker_ValidConditions_AreAccepted(t *testing.T) {
	t.Parallel()
	c := checker(t, transferSchema)
	for _, text := range []string{
		`arguments.amount <= 100.0 && arguments.amount <= 100 && arguments.amount == 5 && 5 == arguments.amount && arguments.amount != 5u`,
		`arguments.count + 1 == 6 && arguments.count + 0.5 > 1 && arguments.count % 2 == 0 && -arguments.count < 0`,
		`arguments.amount in [1, 2, 3] && arguments.amount in [1.5, 2] && 5 in arguments.codes && arguments.codes == [1, 2]`,
		`arguments.count == size(arguments.tags) && size(arguments) > 2 && arguments.size() > 2 && size(arguments.to) == 5`,
		`arguments.to in params.known && 'x' in arguments.tags && arguments.tags.exists(t, t == 'x') && arguments.tags[0] == 'x'`,
		`arguments.note == null || arguments.note == 'x' || null != arguments.amount || arguments.tags == null || arguments.payee != null`,
		`arguments.note in [null, 'a']`,
		`'to' in arguments && arguments['to'] == 'x' && has(arguments.payee.bank.name) && arguments[claims.name] == 'x' && !('a/b' in arguments)`,
		`arguments.all(name, name != 'x') && arguments.exists(name, arguments[name] == 5) && arguments.payee.map(k, k).size() == 2`,
		`arguments.items.all(i, i.price > 0) && arguments.items.filter(i, i.price > 5).size() == 1 && arguments.items.exists_one(i, i.price == 5)`,
		`arguments.items.map(i, i.price) == [1, 2] && arguments.items.map(i, i.price > 1, i.price)[0] == 5 && arguments.codes.map(i, i * 2).exists(x, x == 4)`,
		`(has(arguments.amount) ? arguments.amount : 0) > 5 && (arguments.urgent ? 1 : arguments.amount) == 5`,
		`arguments.tags[arguments.count] == 'x' && arguments.matrix[0][1] == 5 && [1.0, 2.0] in arguments.matrix && arguments.matrix == [[1, 2]]`,
		`arguments.either == 5 || arguments.either == 'x' || arguments.either > 5`,
		`arguments.free.anything == 5 && arguments.free > 'x' && arguments.open.other == 5 && arguments.open['x'].y == 1`,
		`arguments.payee == {'name': 'x'} && arguments.payee == arguments.open && arguments == params && arguments.items[0] == {'price': 1}`,
		`arguments.payee in [{'name': 'x'}] && {'price': 5} in arguments.items && arguments.codes + [1] == [1, 1]`,
		`arguments.currency == 'EUR' && arguments.currency in ['EUR', 'USD'] && arguments.currency != arguments.to && arguments.currency.startsWith('E')`,
		`string(arguments.amount) == '5' && int(arguments.amount) == 5 && double(arguments.count) == 5.0 && type(arguments.amount) == double`,
		`timestamp(arguments.to) > request.time && duration(arguments.to) < duration('1h') && arguments.to.matches('^a')`,
		`arguments.amount * params.limits.eur < params.limit && params.mixed[0] == 1 && 'a' in params.mixed && 1 in params.mixed`,
		`resource.owner == principal.id && 'id' in resource && resource['id'] != '' && resource.all(name, name != '')`,
		`claims.list.exists(arguments, arguments.nothing == 5) && claims.list.exists(action, action.tier == 'none')`,
		`principal == principal && [principal] == [principal] && principal in [principal]`,
		`[arguments.amount, arguments.to].exists(x, x == 5) && {'a': arguments.amount}.a == 5 && arguments.codes == []`,
		`dyn(arguments.to) == 5 && dyn(arguments).anything == 1`,
	} {
		require.NoError(t, policyCondition(t, text).CheckWith(c), text)
	}
	number, err := policy.Number(`arguments.amount * params.limit`)
	require.NoError(t, err)
	require.NoError(t, number.CheckWith(c))
	number, err = policy.Number(`arguments.amout`)
	require.NoError(t, err)
	require.Error(t, number.CheckWith(c))
}

func TestChecker_NothingKnown_FindsNothing(t *testing.T) {
	t.Parallel()
	empty := celx.NewChecker(celx.Known{})
	for _, text := range []string{`arguments.x < 5`, `resource.x == 'y'`, `params.x.y == 1`} {
		require.NoError(t, policyCondition(t, text).CheckWith(empty), text)
	}
	none := celx.NewChecker(celx.Known{Resource: []string{}})
	require.ErrorContains(t, policyCondition(t, `resource.x == 'y'`).CheckWith(none), "undefined field 'x'")
	require.NoError(t, policyCondition(t, `arguments.x < 5`).CheckWith(none))
}

func BenchmarkChecker(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			checker(b, transferSchema)
		}
	})
	b.Run("check", func(b *testing.B) {
		c, compiled := checker(b, transferSchema), policyCondition(b, `arguments.amount <= 100.0 && arguments.to in params.known`)
		for b.Loop() {
			if err := compiled.CheckWith(c); err != nil {
				b.Fatal(err)
			}
		}
	})
}
