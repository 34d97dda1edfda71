package runs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestToolCalls_TooManyOrSlow_AreRefusedAndWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls toolCalls
		require.Zero(t, calls.wait(time.Hour), "no tool is running")
		leave := make([]func(), maxToolCalls)
		for i := range leave {
			var ok bool
			leave[i], ok = calls.enter()
			require.True(t, ok)
		}
		_, ok := calls.enter()
		require.False(t, ok)
		began := time.Now()
		require.Equal(t, maxToolCalls, calls.wait(5*time.Second))
		require.Equal(t, 5*time.Second, time.Since(began))
		go func() {
			time.Sleep(time.Second)
			for _, end := range leave {
				end()
			}
		}()
		require.Zero(t, calls.wait(5*time.Second))
		require.Equal(t, 6*time.Second, time.Since(began))
		_, ok = calls.enter()
		require.True(t, ok)
	})
}
