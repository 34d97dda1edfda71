package crv

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWeighValidator_ShortTextsThatTakeMuch_WeighMuch(t *testing.T) {
	for config, least := range map[string]int64{
		`{}`:                                    weightOfValidator - 1,
		`{"schema":{"pattern":"^[a-z]{900}$"}}`: 900 * weightOfInstruction,
		`{"schema":{"patternProperties":{"^[a-z]{900}$":true}}}`:    900 * weightOfInstruction,
		`{"schema":{"allOf":[{"pattern":"^[^\\pL\\pN]{90}$"}]}}`:    90 * 1000 * weightOfRune,
		`{"expression":"data.matches('[a-z]{900}')"}`:               weightOfMatch,
		`{"expression":"data.matches('\\\\pL{900}')"}`:              weightOfClassMatch,
		`{"expression":"data.matches('\\x5cpL') && matches(a, b)"}`: 2 * weightOfClassMatch,
		`{"rules":[{"expression":"data.matches('a')"}]}`:            weightOfMatch,
		`{"message_expression":"string(data)"}`:                     12 * weightOfExpression,
		`{"schema":{"allOf":[{},{},true]}}`:                         5 * weightOfValue,
	} {
		require.Greater(t, weighValidator(config), least, config)
	}
	require.Less(t, weighValidator(`{"type":"max_size","parameters":{"max":5}}`), int64(16<<10), "10,000 of these fit into half of the memory, the limit of a tenant")
}
