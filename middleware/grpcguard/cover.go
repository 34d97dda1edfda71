package grpcguard

import (
	"google.golang.org/grpc"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/internal/coverage"
)

// MustCover panics if the server has a method that [Uncovered] returns. The text names each.
// Call it when the program starts, after every service is registered.
func MustCover(server interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}, routes interface{ Routes() []guard.Route },
) {
	coverage.Must("grpcguard: MustCover", Uncovered(server, routes))
}

// Uncovered returns the methods of the server, such as "/package.Service/Method", that the
// table neither binds to an action nor declares open, sorted; those of health checks and of
// reflection are among them. The guard refuses these, and what grpc.UnknownServiceHandler would
// serve. A server is a [grpc.Server]. Uncovered panics if an argument is nil.
func Uncovered(server interface {
	GetServiceInfo() map[string]grpc.ServiceInfo
}, routes interface{ Routes() []guard.Route },
) []string {
	if server == nil {
		panic("grpcguard: Uncovered: the server is nil")
	}
	var methods []string
	for service, info := range server.GetServiceInfo() {
		for _, method := range info.Methods {
			methods = append(methods, "/"+service+"/"+method.Name)
		}
	}
	return middleware.UncoveredPatterns(methods, routes)
}
