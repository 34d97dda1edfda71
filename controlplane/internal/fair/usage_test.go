package fair

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Largest, which sees only one row per owner, chooses the same owner as a ledger
// that holds all entries.
func TestLargest_RandomEntries_ChoosesLikeLedger(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	bounds := Bounds{Rows: 40, Cost: 1000}
	var ledger Ledger[Usage]
	var usages []Usage
	for range 5000 {
		added := Usage{Owner: Owner{Tenant: string(rune('a' + random.IntN(3))), Key: string(rune('a' + random.IntN(4)))}, Rows: 1, Cost: 1 + random.Int64N(97)}
		ledger.Add(added.Owner, added, added.Cost, time.Unix(0, 0))
		i := indexOf(usages, added.Owner)
		if i < 0 {
			i = len(usages)
			usages = append(usages, Usage{Owner: added.Owner})
		}
		usages[i].Rows++
		usages[i].Cost += added.Cost
		for {
			rows, cost := ledger.Usage()
			i, exceeded := Largest(usages, bounds)
			require.Equal(t, rows > bounds.Rows || cost > bounds.Cost, exceeded)
			if !exceeded {
				break
			}
			// Of several owners with equal shares, the two may choose different ones. So
			// compare the shares, not the owners.
			evicted, ok := ledger.Evict(bounds)
			require.True(t, ok)
			require.InDelta(t, tenantShare(usages, usages[i].Tenant, bounds), tenantShare(usages, evicted.Tenant, bounds), 0)
			if usages[i].Tenant == evicted.Tenant {
				j := indexOf(usages, evicted.Owner)
				one, other := usage{usages[i].Rows, usages[i].Cost}, usage{usages[j].Rows, usages[j].Cost}
				require.InDelta(t, one.share(bounds), other.share(bounds), 0)
			}
			j := indexOf(usages, evicted.Owner)
			usages[j].Rows--
			usages[j].Cost -= evicted.Cost
		}
	}
}

func indexOf(usages []Usage, owner Owner) int {
	for i := range usages {
		if usages[i].Owner == owner {
			return i
		}
	}
	return -1
}

func tenantShare(usages []Usage, tenant string, b Bounds) float64 {
	var all usage
	for _, u := range usages {
		if u.Tenant == tenant {
			all.add(u.Rows, u.Cost)
		}
	}
	return all.share(b)
}
