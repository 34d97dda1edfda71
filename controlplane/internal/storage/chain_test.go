package storage

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func TestChainHash_TextMovedToNextField_ChangesHash(t *testing.T) {
	t.Parallel()
	one := chainHash("t", "1", &aureus.AuditRecord{Principal: "ab", OnBehalfOf: "c"}, "")
	two := chainHash("t", "1", &aureus.AuditRecord{Principal: "a", OnBehalfOf: "bc"}, "")
	require.NotEqual(t, one, two)
}
