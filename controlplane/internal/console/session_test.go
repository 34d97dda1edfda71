package console

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func requestWith(id string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/console/", nil)
	r.AddCookie(&http.Cookie{Name: cookiePlain, Value: id})
	return r
}

func TestSessions_OneKey_KeepsItsNewestSessions(t *testing.T) {
	t.Parallel()
	var s sessions
	now := time.Unix(1_000_000, 0)
	other := s.begin("key_other", now)
	var ids []string
	for range maxKeyed {
		now = now.Add(time.Second)
		ids = append(ids, s.begin("key_a", now))
	}
	require.NotNil(t, s.find(requestWith(ids[0]), now.Add(time.Second)), "the first one is used, so the second one is idle longest")
	ids = append(ids, s.begin("key_a", now.Add(2*time.Second)))
	for i, id := range ids {
		require.Equal(t, i != 1, s.find(requestWith(id), now.Add(3*time.Second)) != nil, "session %d", i)
	}
	require.NotNil(t, s.find(requestWith(other), now))
}

func TestSessions_ManyKeys_AreBoundedTogether(t *testing.T) {
	t.Parallel()
	var s sessions
	now := time.Unix(1_000_000, 0)
	first := s.begin("key_0", now)
	for i := 1; i <= maxSessions; i++ {
		s.begin("key_"+strconv.Itoa(i), now.Add(time.Duration(i)*time.Millisecond))
	}
	require.Len(t, s.byID, maxSessions)
	require.Nil(t, s.find(requestWith(first), now.Add(2*time.Second)))

	s.begin("key_later", now.Add(idleTime+2*time.Second))
	require.Len(t, s.byID, 1, "sessions that have ended are forgotten at the next login")
}

// What is kept does not help whoever reads it to take a session over.
func TestSessions_Kept_DoNotContainTheID(t *testing.T) {
	t.Parallel()
	var s sessions
	id := s.begin("key_a", time.Unix(1_000_000, 0))
	for hash, one := range s.byID {
		require.NotContains(t, string(hash[:]), id)
		require.NotEqual(t, id, one.csrf)
		require.Nil(t, s.find(requestWith(hex.EncodeToString(hash[:])), time.Unix(1_000_000, 0)))
		require.Nil(t, s.find(requestWith(one.csrf), time.Unix(1_000_000, 0)))
	}
}
