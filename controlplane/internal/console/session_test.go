package console

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

var began = time.Unix(1_000_000, 0)

func requestWith(id string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://localhost/console/", nil)
	r.AddCookie(&http.Cookie{Name: cookiePlain, Value: id})
	return r
}

// key returns the caller with a key of the tenant.
func key(tenant string, number int) web.Caller {
	return web.Caller{KeyID: fmt.Sprintf("key_%s_%d", tenant, number), Tenant: tenant}
}

func TestSessions_OneKey_KeepsItsNewestSessions(t *testing.T) {
	t.Parallel()
	var s sessions
	now := began
	other := s.begin(key("a", 2), now)
	var ids []string
	for range maxKeyed {
		now = now.Add(time.Second)
		ids = append(ids, s.begin(key("a", 1), now))
	}
	require.NotNil(t, s.find(requestWith(ids[0]), now.Add(time.Second)), "the first one is used, so the second one is idle longest")
	ids = append(ids, s.begin(key("a", 1), now.Add(2*time.Second)))
	for i, id := range ids {
		require.Equal(t, i != 1, s.find(requestWith(id), now.Add(3*time.Second)) != nil, "session %d", i)
	}
	require.NotNil(t, s.find(requestWith(other), now))
}

func TestSessions_OneTenant_EndsOnlyItsOwnSessions(t *testing.T) {
	t.Parallel()
	var s sessions
	other := s.begin(key("other", 0), began)
	first := s.begin(key("a", 0), began.Add(time.Second))
	for i := 1; i <= maxTenant; i++ {
		s.begin(key("a", i), began.Add(time.Minute))
	}
	require.Len(t, s.byID, maxTenant+1)
	require.Nil(t, s.find(requestWith(first), began.Add(2*time.Minute)))
	require.NotNil(t, s.find(requestWith(other), began.Add(2*time.Minute)), "it was idle longest of all, and is of another tenant")

	s.begin(key("later", 0), began.Add(time.Hour))
	require.Len(t, s.byID, 1, "sessions that have ended are forgotten at the next login")
}

func TestSessions_AllTenants_TheLargestOneLosesASession(t *testing.T) {
	t.Parallel()
	var s sessions
	small := s.begin(key("small", 0), began)
	for tenant := range maxSessions / maxTenant {
		for i := range maxTenant {
			if len(s.byID) < maxSessions {
				s.byID[[32]byte{1, byte(tenant), byte(i >> 8), byte(i)}] = &session{keyID: key(strconv.Itoa(tenant), i).KeyID, tenant: strconv.Itoa(tenant), begun: began, used: began.Add(time.Minute), over: make(chan struct{})}
			}
		}
	}
	require.Len(t, s.byID, maxSessions)
	fresh := s.begin(key("fresh", 0), began.Add(2*time.Minute))
	require.Len(t, s.byID, maxSessions)
	require.NotNil(t, s.find(requestWith(small), began.Add(2*time.Minute)))
	require.NotNil(t, s.find(requestWith(fresh), began.Add(2*time.Minute)))
}

// What is kept does not help whoever reads it to take a session over.
func TestSessions_Kept_DoNotContainTheID(t *testing.T) {
	t.Parallel()
	var s sessions
	id := s.begin(key("a", 0), began)
	for hash, one := range s.byID {
		require.NotContains(t, string(hash[:]), id)
		require.NotEqual(t, id, one.csrf)
		require.Nil(t, s.find(requestWith(hex.EncodeToString(hash[:])), began))
		require.Nil(t, s.find(requestWith(one.csrf), began))
	}
}

// An unattended page asks for itself again and again, and must not keep its session.
func TestSessions_AutomaticRequests_DoNotKeepTheSession(t *testing.T) {
	t.Parallel()
	var s sessions
	id := s.begin(key("a", 0), began)
	s.notify(requestWith(id), began, "done")
	automatic := requestWith(id)
	automatic.Header.Set(automaticHeader, "1")
	require.NotNil(t, s.find(automatic, began.Add(idleTime-time.Second)))
	require.Empty(t, s.takeNotice(automatic, began.Add(idleTime-time.Second)), "the notice is for the operator")
	require.Equal(t, "done", s.takeNotice(requestWith(id), began.Add(idleTime-time.Second)))
	require.Empty(t, s.takeNotice(requestWith(id), began.Add(idleTime-time.Second)))
	require.Nil(t, s.find(automatic, began.Add(idleTime)))
}

func TestSessions_Streams_AreBoundedAndEndWithTheSession(t *testing.T) {
	t.Parallel()
	var s sessions
	id := s.begin(key("a", 0), began)
	var releases []func()
	var over <-chan struct{}
	for range maxFollowed {
		ended, release, ok := s.follow(requestWith(id), began)
		require.True(t, ok)
		over, releases = ended, append(releases, release)
	}
	_, _, ok := s.follow(requestWith(id), began)
	require.False(t, ok)
	releases[0]()
	_, _, ok = s.follow(requestWith(id), began)
	require.True(t, ok)

	select {
	case <-over:
		require.Fail(t, "the session has not ended")
	default:
	}
	s.endAll(key("a", 0).KeyID)
	<-over
	_, _, ok = s.follow(requestWith(id), began)
	require.False(t, ok)
}
