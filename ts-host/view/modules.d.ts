/** The worker, bundled, as text. */
declare module "worker-code" {
  const code: string;
  export default code;
}
