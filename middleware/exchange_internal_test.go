package middleware

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Every request allocates an exchange, most of which is the decision. The next size class of the
// allocator has 768 bytes.
func TestExchange_Size_FitsIn704Bytes(t *testing.T) {
	const header = 8 // of the allocator, for a value of this size with pointers
	require.LessOrEqual(t, unsafe.Sizeof(exchange{})+header, uintptr(704))
}
