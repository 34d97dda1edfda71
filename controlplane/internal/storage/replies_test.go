package storage

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
)

// replyList implements [ReplyRows] in memory. The oldest reply is the first one.
type replyList struct{ list []Reply }

func (l *replyList) Add(r Reply) error {
	l.list = append(l.list, r)
	return nil
}

func (l *replyList) Each(time.Time, func(Reply) error) error { return nil }

func (l *replyList) Expired(time.Time) (bool, error) { return false, nil }

func (l *replyList) Prune(before time.Time, limit int) (n int64, err error) {
	for len(l.list) > 0 && n < int64(limit) && l.list[0].At.Before(before) {
		l.list = l.list[1:]
		n++
	}
	return n, nil
}

func (l *replyList) Usage() (usage []fair.Usage, err error) {
	indexes := map[fair.Owner]int{}
	for _, r := range l.list {
		i, ok := indexes[r.Owner]
		if !ok {
			i = len(usage)
			indexes[r.Owner] = i
			usage = append(usage, fair.Usage{Owner: r.Owner})
		}
		usage[i].Rows++
		usage[i].Cost += int64(len(r.Body))
	}
	return usage, nil
}

func (l *replyList) DeleteOldest(owner fair.Owner) (int64, error) {
	for i, r := range l.list {
		if r.Owner == owner {
			l.list = append(l.list[:i:i], l.list[i+1:]...)
			return int64(len(r.Body)), nil
		}
	}
	return 0, ErrNotFound
}

func TestReplies_BeyondLimits_LargestOwnerLosesOldest(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	of := func(tenant, key, body string) Reply {
		return Reply{Owner: fair.Owner{Tenant: tenant, Key: key}, At: at, Body: []byte(body)}
	}
	for name, row := range map[string]struct {
		bounds  fair.Bounds
		replies []Reply
		want    []string
	}{
		"by number": {fair.Bounds{Rows: 3, Cost: 100}, []Reply{of("t", "k", "1"), of("t", "k", "2"), of("t", "k", "3"), of("t", "k", "4"), of("t", "k", "5")}, []string{"3", "4", "5"}},
		"by size":   {fair.Bounds{Rows: 100, Cost: 10}, []Reply{of("t", "k", "1"), of("t", "k", "8 bytes."), of("t", "k", "3"), of("t", "k", "4")}, []string{"8 bytes.", "3", "4"}},
		"the key with the largest share": {
			fair.Bounds{Rows: 4, Cost: 100},
			[]Reply{of("t", "quiet", "1"), of("t", "flood", "2"), of("t", "flood", "3"), of("t", "flood", "4"), of("t", "flood", "5")},
			[]string{"1", "3", "4", "5"},
		},
		"the tenant with the largest share": {
			fair.Bounds{Rows: 4, Cost: 100},
			[]Reply{of("quiet", "k", "1"), of("quiet", "k", "2"), of("busy", "a", "3"), of("busy", "b", "4"), of("busy", "c", "5")},
			[]string{"1", "2", "4", "5"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := &replyList{}
			for _, r := range row.replies {
				require.NoError(t, replyRules{rows, row.bounds}.Add(r))
			}
			var got []string
			for _, r := range rows.list {
				got = append(got, string(r.Body))
			}
			require.Equal(t, row.want, got)
		})
	}
}

func TestReplies_ManyExpired_AreDeletedInParts(t *testing.T) {
	t.Parallel()
	rows := &replyList{}
	old := time.Unix(1000, 0)
	for n := range maxExpiredReplies + 5 {
		rows.list = append(rows.list, Reply{At: old, Body: fmt.Append(nil, n)})
	}
	rules := replyRules{rows, fair.Bounds{Rows: MaxReplies, Cost: MaxReplyBytes}}
	require.NoError(t, rules.Add(Reply{At: old.Add(ReplyLife + 1)}))
	require.Len(t, rows.list, 6)
	require.NoError(t, rules.Add(Reply{At: old.Add(ReplyLife + 1)}))
	require.Len(t, rows.list, 2)
}
