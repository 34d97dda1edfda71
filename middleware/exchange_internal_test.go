package middleware

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Every request allocates an exchange. With one byte more it would be in the next size class of
// the allocator, which is 704 bytes.
func TestExchange_Size_FitsIts640Bytes(t *testing.T) {
	const header = 8 // of the allocator, for a value of this size with pointers
	require.LessOrEqual(t, unsafe.Sizeof(exchange{})+header, uintptr(640))
}
