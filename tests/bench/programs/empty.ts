/** The empty program: what the runtime itself costs. */
