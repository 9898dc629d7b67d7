!> How calls of the module stoq fail, and texts of the library.
module stoq_errors
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit
  use stoq_abi
  use stoq_functions
  implicit none
  private
  public :: stoq_report, stoq_fail, stoq_abi_differs, stoq_refuse_copy, stoq_text
  public :: stoq_error_text, stoq_status_text, stoq_version_text

  interface
    pure function c_strlen(text) bind(C, name="strlen") result(length)
      import :: c_ptr, c_size_t
      type(c_ptr), value, intent(in) :: text
      integer(c_size_t) :: length
    end function c_strlen
  end interface

contains

  !> Ends a call that returned `status`: into `stat`, and the sentence of a failure into `errmsg`. Without `stat` a
  !> failure writes that sentence and stops the program.
  subroutine stoq_report(status, stat, errmsg)
    integer(c_int32_t), intent(in) :: status
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (status == STOQ_OK) then
      if (present(stat)) stat = 0
    else
      call stoq_fail(status, stoq_error_text(), stat, errmsg)
    end if
  end subroutine stoq_report

  !> The same for a failure that this module found.
  subroutine stoq_fail(status, text, stat, errmsg)
    integer(c_int32_t), intent(in) :: status
    character(*), intent(in) :: text
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    if (present(errmsg)) errmsg = text
    if (present(stat)) then
      stat = int(status)
    else
      write (error_unit, '(4a)') 'stoq: ', stoq_status_text(int(status)), ': ', text
      error stop 1
    end if
  end subroutine stoq_fail

  !> Refuses a library of another ABI; to be asked before the first handle or struct is made.
  logical function stoq_abi_differs(stat, errmsg)
    integer, optional, intent(out) :: stat
    character(*), optional, intent(inout) :: errmsg
    character(96) :: text
    stoq_abi_differs = stoq_abi_version() /= STOQ_ABI_NUMBER
    if (stoq_abi_differs) then
      write (text, '(a, i0, a, i0, a)') 'libstoq has C ABI ', stoq_abi_version(), ', and this module was made for ', &
        STOQ_ABI_NUMBER, ': use those of one version'
      call stoq_fail(STOQ_INTERNAL, trim(text), stat, errmsg)
    else if (present(stat)) then
      stat = 0
    end if
  end function stoq_abi_differs

  !> Two objects with one handle would free it twice. An assignment has no `stat`.
  subroutine stoq_refuse_copy(what)
    character(*), intent(in) :: what
    call stoq_fail(STOQ_INVALID_ARGUMENT, what // ' cannot be copied: hand it on as an argument, or use a pointer')
  end subroutine stoq_refuse_copy

  !> A text of the library that ends with NUL.
  function stoq_text(address) result(text)
    type(c_ptr), intent(in) :: address
    character(:), allocatable :: text
    character(kind=c_char), pointer :: letters(:)
    integer :: i, length
    length = int(c_strlen(address))
    call c_f_pointer(address, letters, [length])
    allocate (character(length) :: text)
    do i = 1, length
      text(i:i) = letters(i)
    end do
  end function stoq_text

  !> The sentence that goes with the last call that failed on this thread.
  function stoq_error_text() result(text)
    character(:), allocatable :: text
    text = stoq_text(stoq_last_error())
  end function stoq_error_text

  !> The name of a status, such as "STOQ_SHAPE_MISMATCH".
  function stoq_status_text(stat) result(text)
    integer, intent(in) :: stat
    character(:), allocatable :: text
    text = stoq_text(stoq_status_name(int(stat, c_int32_t)))
  end function stoq_status_text

  !> The version of the library, such as "0.1.0".
  function stoq_version_text() result(text)
    character(:), allocatable :: text
    text = stoq_text(stoq_version())
  end function stoq_version_text

end module stoq_errors
