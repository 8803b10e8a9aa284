/** Sleeps for ever: the least that a waiting program costs. */
setInterval(() => {}, 60_000);
