// Package routers shows how a guard stands in front of the handlers of gin, echo,
// chi and gorilla/mux. Copy what you need.
//
// chi and gorilla/mux accept a func(http.Handler) http.Handler directly:
//
//	router.Use(protect)                       // gorilla/mux, chi
//	router.With(protect).Get("/x", handler)   // chi, one route
//
// gin and echo have their own contexts and writers, and need the code of this
// package:
//
//	router.POST("/transfers", routers.Gin(protect), transfer)
//	router.POST("/transfers", transfer, routers.Echo(protect))
//
// # Common mistake
//
// THE OBVIOUS CODE FOR GIN IS WRONG: IT RUNS THE HANDLER AFTER THE 403:
//
//	func(c *gin.Context) { // WRONG
//		protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//			c.Request = r
//			c.Next()
//		})).ServeHTTP(c.Writer, c.Request)
//	}
//
// gin.WrapH(protect(handler)) with further handlers after it is wrong too: gin calls the
// next handler unless c.Abort() was called, although the guard has written the 403 to
// c.Writer. Also, the handler then writes to c.Writer instead of the guard's writer, so
// the guard does not see the response, and the outcome is unknown.
//
// echo does not call the handler after a denial. But it writes the response for an
// error of the handler only after the guard has returned, so with
// echo.WrapMiddleware(protect) the outcome is unknown.
//
// The tests show these mistakes, and that the code of this package avoids them.
package routers
